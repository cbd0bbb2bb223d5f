// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "edu.h"

/* docs/specs/edu.rst of QEMU */
#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_CMD_START	1
#define EDU_CMD_TO_RAM	2
#define EDU_BUFFER	0x40000
#define EDU_BAR_SIZE	0x100000

#define PCI_COMMAND		4
#define PCI_COMMAND_MEMORY	2
#define PCI_COMMAND_MASTER	4

static const char *devices = "/sys/bus/pci/devices";

static int edu_file(struct edu *edu, const char *file, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/%s", devices, edu->name, file);
	return open(path, flags | O_CLOEXEC);
}

static int edu_find(struct edu *edu, unsigned int nth)
{
	DIR *dir = opendir(devices);
	struct dirent *d;
	int ret = -ENODEV;

	if (!dir)
		return -errno;
	while (ret && (d = readdir(dir))) {
		uint16_t id[2] = { 0 };
		unsigned int bus, dev, fn;
		int fd;

		if (sscanf(d->d_name, "%*x:%x:%x.%x", &bus, &dev, &fn) != 3 ||
		    strlen(d->d_name) >= sizeof(edu->name))
			continue;
		snprintf(edu->name, sizeof(edu->name), "%.31s", d->d_name);
		edu->sid = bus << 8 | dev << 3 | fn;
		fd = edu_file(edu, "config", O_RDONLY);
		if (fd < 0)
			continue;
		if (pread(fd, id, sizeof(id), 0) == sizeof(id) &&
		    id[0] == EDU_VENDOR && id[1] == EDU_DEVICE && !nth--)
			ret = 0;
		close(fd);
	}
	closedir(dir);
	return ret;
}

/* As the probe of a driver does. */
int edu_enable(struct edu *edu)
{
	uint16_t command;
	int fd, ret = -EIO;

	fd = edu_file(edu, "enable", O_WRONLY);
	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) != 1) {
		close(fd);
		return -EIO;
	}
	close(fd);

	fd = edu_file(edu, "config", O_RDWR);
	if (fd < 0)
		return -errno;
	if (pread(fd, &command, 2, PCI_COMMAND) == 2) {
		command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
		if (pwrite(fd, &command, 2, PCI_COMMAND) == 2)
			ret = 0;
	}
	close(fd);
	return ret;
}

int edu_open_nth(struct edu *edu, unsigned int nth)
{
	void *bar;
	int fd, ret;

	ret = edu_find(edu, nth);
	if (!ret)
		ret = edu_enable(edu);
	if (ret)
		return ret;
	fd = edu_file(edu, "resource0", O_RDWR | O_SYNC);
	if (fd < 0)
		return -errno;
	bar = mmap(NULL, EDU_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (bar == MAP_FAILED)
		return -errno;
	edu->bar = bar;
	return 0;
}

int edu_open(struct edu *edu)
{
	return edu_open_nth(edu, 0);
}

static int write_one(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, "1", 1) == 1 ? 0 : -errno;
	close(fd);
	return ret;
}

int edu_remove(struct edu *edu)
{
	unsigned long long base;
	char path[128];
	FILE *f;
	void *bar;
	int fd, n;

	snprintf(path, sizeof(path), "%s/%s/resource", devices, edu->name);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	n = fscanf(f, "%llx", &base);
	fclose(f);
	if (n != 1)
		return -EIO;
	fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	bar = mmap(NULL, EDU_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, base);
	close(fd);
	if (bar == MAP_FAILED)
		return -errno;
	munmap((void *)edu->bar, EDU_BAR_SIZE);
	edu->bar = bar;
	snprintf(path, sizeof(path), "%s/%s/remove", devices, edu->name);
	return write_one(path);
}

int edu_rescan(struct edu *edu)
{
	int ret = write_one("/sys/bus/pci/rescan");

	munmap((void *)edu->bar, EDU_BAR_SIZE);
	return ret ? ret : edu_open(edu);
}

static volatile uint64_t *edu_reg(struct edu *edu, unsigned int reg)
{
	return (volatile uint64_t *)(edu->bar + reg);
}

/* The device ignores its registers during a transfer: wait before it too. */
static int edu_wait(struct edu *edu)
{
	int i;

	for (i = 0; i < 5000; i++) {
		if (!(*edu_reg(edu, EDU_DMA_CMD) & EDU_CMD_START)) {
			__sync_synchronize();
			return 0;
		}
		usleep(1000);
	}
	return -ETIMEDOUT;
}

static int edu_transfer(struct edu *edu, uint64_t src, uint64_t dst, size_t len,
			uint64_t command)
{
	int ret;

	if (!len || len > EDU_MAX)
		return -EINVAL;
	ret = edu_wait(edu);
	if (ret)
		return ret;
	__sync_synchronize();
	*edu_reg(edu, EDU_DMA_SRC) = src;
	*edu_reg(edu, EDU_DMA_DST) = dst;
	*edu_reg(edu, EDU_DMA_COUNT) = len;
	*edu_reg(edu, EDU_DMA_CMD) = command | EDU_CMD_START;
	return edu_wait(edu);
}

int edu_fetch(struct edu *edu, uint64_t phys, size_t len)
{
	return edu_transfer(edu, phys, EDU_BUFFER, len, 0);
}

int edu_store(struct edu *edu, uint64_t phys, size_t len)
{
	return edu_transfer(edu, EDU_BUFFER, phys, len, EDU_CMD_TO_RAM);
}
