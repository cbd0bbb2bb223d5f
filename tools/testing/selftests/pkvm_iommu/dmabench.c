// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dmabench.h"

#define DRIVER	"/sys/bus/pci/drivers/dma_map_benchmark/"

static char edu_name[32];	/* of the PCI device in sysfs */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int ret = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

int dmabench_write(const char *file, const char *text)
{
	char path[400];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", edu_name, file);
	return write_file(path, text);
}

int dmabench_find(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	char path[400], id[16];
	int ret = -ENODEV;

	while (dir && ret && (entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%15s", id) == 1 && !strcmp(id, "0x11e8")) {
			snprintf(edu_name, sizeof(edu_name), "%.31s", entry->d_name);
			ret = 0;
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return ret;
}

int dmabench_bind(void)
{
	int fd, ret;

	ret = dmabench_write("driver_override", "dma_map_benchmark");
	if (!ret)
		ret = write_file(DRIVER "bind", edu_name);
	if (ret)
		return ret;
	fd = open("/sys/kernel/debug/dma_map_benchmark", O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int dmabench_unbind(void)
{
	return write_file(DRIVER "unbind", edu_name);
}
