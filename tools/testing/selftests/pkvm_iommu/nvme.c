// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "nvme.h"
#include "phys.h"

/* NVM Express base specification 2.0, 3.1.3 */
#define CAP		0x00
#define INTMS		0x0c
#define CC		0x14
#define CSTS		0x1c
#define AQA		0x24
#define ASQ		0x28
#define ACQ		0x30
#define CMBMSC		0x50
#define DOORBELL_SQ	0x1000
#define DOORBELL_CQ	0x1004
#define CAP_CMBS	(1ULL << 57)
#define CC_ENABLE	(1 | 6 << 16 | 4 << 20)	/* entries of 64 and 16 bytes */
#define CSTS_READY	1
#define CSTS_FATAL	2
#define CMBMSC_ENABLE	3ULL			/* registers and memory space */

/* Address at which the device finds its own buffer, beyond all DMA addresses. */
#define CMB		(1ULL << 60)
#define CMB_BAR		2
#define CMB_SIZE	0x100000
#define REGS_SIZE	0x2000
#define DATA		0x1000			/* behind the commands */
#define ENTRIES		64

#define SET_FEATURES	0x09
#define GET_FEATURES	0x0a
#define TIMESTAMP	0x0e			/* in ms; QEMU continues to count from it */

static const char *devices = "/sys/bus/pci/devices";

static int nvme_file(struct nvme *nvme, const char *file, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/%s", devices, nvme->name, file);
	return open(path, flags | O_CLOEXEC);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_nvme(struct nvme *nvme)
{
	char class[16] = "";
	int fd = nvme_file(nvme, "class", O_RDONLY);

	if (fd < 0)
		return false;
	if (read(fd, class, sizeof(class) - 1) < 0)
		class[0] = 0;
	close(fd);
	return !strncmp(class, "0x010802", 8);
}

static int nvme_find(struct nvme *nvme, unsigned int index)
{
	unsigned int bus, dev, fn, i, nr = 0;
	static char names[256][32];
	DIR *dir = opendir(devices);
	struct dirent *d;

	if (!dir)
		return -errno;
	while ((d = readdir(dir)) && nr < 256) {
		if (d->d_name[0] != '.')
			snprintf(names[nr++], sizeof(names[0]), "%.31s", d->d_name);
	}
	closedir(dir);
	qsort(names, nr, sizeof(names[0]), by_name);
	for (i = 0; i < nr; i++) {
		memcpy(nvme->name, names[i], sizeof(nvme->name));
		if (sscanf(nvme->name, "%*x:%x:%x.%x", &bus, &dev, &fn) != 3 ||
		    !is_nvme(nvme) || index--)
			continue;
		nvme->sid = bus << 8 | dev << 3 | fn;
		return 0;
	}
	return -ENODEV;
}

static int nvme_put(struct nvme *nvme, const char *file, const char *text)
{
	int fd = nvme_file(nvme, file, O_WRONLY), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Enable memory decoding and bus mastering, as the probe of a driver does. */
static int nvme_enable(struct nvme *nvme)
{
	uint16_t command;
	int ret, fd;

	nvme_put(nvme, "driver/unbind", nvme->name);
	ret = nvme_put(nvme, "enable", "1");
	if (ret)
		return ret;
	fd = nvme_file(nvme, "config", O_RDWR);
	if (fd < 0)
		return -errno;
	ret = -EIO;
	if (pread(fd, &command, 2, 4) == 2) {
		command |= 2 | 4;
		ret = pwrite(fd, &command, 2, 4) == 2 ? 0 : -EIO;
	}
	close(fd);
	return ret;
}

/* Address of a BAR within its page: it is aligned to its size, which may be less than a page. */
static uint64_t nvme_bar_offset(struct nvme *nvme, int bar)
{
	unsigned long long start = 0;
	int fd = nvme_file(nvme, "resource", O_RDONLY);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	while (f && bar-- >= 0 && fscanf(f, "%llx %*x %*x", &start) == 1)
		;
	if (f)
		fclose(f);
	return start % PAGE;
}

static volatile uint8_t *nvme_bar(struct nvme *nvme, int bar, size_t size)
{
	uint64_t offset = nvme_bar_offset(nvme, bar);
	char name[16];
	uint8_t *p;
	int fd;

	snprintf(name, sizeof(name), "resource%d", bar);
	fd = nvme_file(nvme, name, O_RDWR | O_SYNC);
	if (fd < 0)
		return NULL;
	p = mmap(NULL, offset + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p + offset;
}

int nvme_open(struct nvme *nvme, unsigned int index)
{
	int ret = nvme_find(nvme, index);

	if (!ret)
		ret = nvme_enable(nvme);
	if (ret)
		return ret;
	nvme->regs = nvme_bar(nvme, 0, REGS_SIZE);
	nvme->cmb = nvme_bar(nvme, CMB_BAR, CMB_SIZE);
	return nvme->regs && nvme->cmb ? 0 : -ENXIO;
}

static volatile uint32_t *reg32(struct nvme *nvme, unsigned int reg)
{
	return (volatile uint32_t *)(nvme->regs + reg);
}

static volatile uint64_t *reg64(struct nvme *nvme, unsigned int reg)
{
	return (volatile uint64_t *)(nvme->regs + reg);
}

static uint64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

int nvme_start(struct nvme *nvme, volatile void *cq, uint64_t iova)
{
	uint64_t start = seconds();

	*reg32(nvme, CC) = 0;
	while (*reg32(nvme, CSTS) & CSTS_READY)
		if (seconds() - start > 5)
			return -ETIMEDOUT;
	if (!(*reg64(nvme, CAP) & CAP_CMBS))
		return -ENXIO;
	*reg64(nvme, CMBMSC) = CMB | CMBMSC_ENABLE;
	*reg32(nvme, INTMS) = ~0U;
	*reg32(nvme, AQA) = (ENTRIES - 1) << 16 | (ENTRIES - 1);
	*reg64(nvme, ASQ) = CMB;
	*reg64(nvme, ACQ) = iova;
	memset((void *)cq, 0, ENTRIES * 16);
	nvme->cq = cq;
	nvme->cq_iova = iova;
	nvme->slot = 0;
	__sync_synchronize();
	*reg32(nvme, CC) = CC_ENABLE | 1;
	while (!(*reg32(nvme, CSTS) & CSTS_READY))
		if (seconds() - start > 5 || *reg32(nvme, CSTS) & CSTS_FATAL)
			return -ETIMEDOUT;
	return 0;
}

/* The phase tag of new entries flips with each round of the queue. */
static enum nvme_result nvme_command(struct nvme *nvme, uint8_t opcode, uint64_t address)
{
	unsigned int slot = nvme->slot % ENTRIES;
	bool phase = !(nvme->slot / ENTRIES % 2);
	volatile uint32_t *cmd = (volatile uint32_t *)(nvme->cmb + slot * 64);
	volatile uint32_t *done = nvme->cq + slot * 4;
	uint64_t start = seconds();
	uint32_t status;
	int i;

	for (i = 0; i < 16; i++)
		cmd[i] = 0;
	cmd[0] = opcode | slot << 16;
	cmd[6] = address;
	cmd[7] = address >> 32;
	cmd[10] = TIMESTAMP;
	__sync_synchronize();
	*reg32(nvme, DOORBELL_SQ) = (slot + 1) % ENTRIES;
	for (i = 0; !!(done[3] & 1 << 16) != phase; i++) {
		/* Register reads are slow, and stop the device meanwhile: do few. */
		if (i % 1000 != 999)
			continue;
		if (*reg32(nvme, CSTS) & CSTS_FATAL)
			return NVME_LOST;
		if (seconds() - start > 10)
			return NVME_BROKEN;
	}
	__sync_synchronize();
	status = done[3] >> 17 & 0x7ff;
	nvme->slot++;
	*reg32(nvme, DOORBELL_CQ) = (slot + 1) % ENTRIES;
	return status ? NVME_BROKEN : NVME_DONE;
}

static volatile uint64_t *nvme_buffer(struct nvme *nvme)
{
	return (volatile uint64_t *)(nvme->cmb + DATA);
}

enum nvme_result nvme_give(struct nvme *nvme, uint32_t data)
{
	*nvme_buffer(nvme) = nvme_word(data);
	return nvme_read(nvme, CMB + DATA);
}

enum nvme_result nvme_take(struct nvme *nvme, uint32_t *data)
{
	enum nvme_result res = nvme_write(nvme, CMB + DATA);

	*data = nvme_data(*nvme_buffer(nvme));
	return res;
}

enum nvme_result nvme_read(struct nvme *nvme, uint64_t iova)
{
	return nvme_command(nvme, SET_FEATURES, iova);
}

enum nvme_result nvme_write(struct nvme *nvme, uint64_t iova)
{
	return nvme_command(nvme, GET_FEATURES, iova);
}
