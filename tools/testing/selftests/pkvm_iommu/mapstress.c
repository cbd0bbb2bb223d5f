// SPDX-License-Identifier: GPL-2.0
/*
 * Run the kernel's dma_map_benchmark on the edu device, and check that it leaves no
 * pages of EL2 behind. TAP.
 *
 *	mapstress TYPE...	in domains of these types, as named in sysfs
 *
 * Between the types, the device is in the identity domain. If there is none, it is in
 * an empty DMA domain.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmabench.h"
#include "phys.h"
#include "tap.h"
#include "testdev.h"

static const char *rest = "identity";

/*
 * Give the device a new domain. The kernel keeps the domain if the type is the same, or
 * changes from DMA to DMA-FQ, but makes one for DMA after DMA-FQ.
 */
static int new_domain(const char *type)
{
	if (strcmp(rest, "identity") &&
	    (dmabench_write("iommu_group/type", "DMA-FQ") ||
	     dmabench_write("iommu_group/type", "DMA")))
		return -1;
	return dmabench_write("iommu_group/type", type);
}

/* Pages of the pool that are in use. */
static int64_t pool_used(void)
{
	uint64_t total, unused;

	if (td_info(PKVM_IOMMU_INFO_POOL_TOTAL, &total) ||
	    td_info(PKVM_IOMMU_INFO_POOL_FREE, &unused))
		tap_bail("the hypervisor does not tell of its pool");
	return total - unused;
}

/* Each empty domain uses the same number of pages, and frees all of them. */
static void stress_domains(int nr, char **types)
{
	bool good, used_more = true, identity = !strcmp(rest, "identity");
	int64_t used;
	int i;

	/* The first domain also needs a page of the domain table, which is kept. */
	good = !new_domain(types[0]) &&
	       !new_domain(rest);
	used = pool_used();
	for (i = 0; i < 20 * nr; i++) {
		good &= !new_domain(types[i % nr]);
		used_more &= identity ? pool_used() > used : pool_used() == used;
		good &= !new_domain(rest);
	}
	tap_ok(good && used_more && pool_used() == used,
	       "%d domains leave no page behind (%lld, %lld)", i, (long long)used,
	       (long long)pool_used());
}

/* Number of errors in the kernel's log since the last call. */
static int log_errors(int log)
{
	char record[8192];
	int errors = 0;
	ssize_t n;

	while ((n = read(log, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		if (n <= 0)	/* overwritten before it was read */
			continue;
		record[n] = 0;
		/* facility 0 is the kernel's own, its levels up to 3 are errors */
		if (strtoul(record, NULL, 10) > 3)
			continue;
		if (errors++ < 10)
			tap_note("kernel: %.*s", (int)strcspn(strchr(record, ';'), "\n"),
				 strchr(record, ';') + 1);
	}
	return errors;
}

static void stress_one(int fd, const char *type, uint32_t granule, uint8_t mode)
{
	static const char * const dirs[] = { "both ways", "to the device", "from the device" };
	uint32_t dir;

	for (dir = 0; dir < 3; dir++) {
		struct map_benchmark map = { 0 };
		uint32_t seconds;
		int ret = 0;

		/* Averages are 0 if nothing was mapped, which may happen on a busy machine. */
		for (seconds = 1; !ret && !map.avg_map_100ns && seconds <= 4; seconds *= 2) {
			map = (struct map_benchmark) {
				.threads = 4, .seconds = seconds, .node = -1, .dma_bits = 32,
				.granule = granule, .map_mode = mode, .dma_dir = dir,
			};
			ret = ioctl(fd, DMA_MAP_BENCHMARK, &map);
		}
		tap_ok(!ret && (map.avg_map_100ns || map.avg_unmap_100ns),
		       "%s, %s%u pages, %s, 4 threads: map %.1f us, unmap %.1f us", type,
		       mode ? "list of " : "", granule, dirs[dir],
		       map.avg_map_100ns / 10.0, map.avg_unmap_100ns / 10.0);
	}
}

int main(int argc, char **argv)
{
	static const uint32_t single[] = { 1, 16, 256, 512 }, list[] = { 1, 16, 256 };
	int fd, i, nr = argc - 1, log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	int64_t used;
	char **types = argv + 1;
	size_t g;

	if (log < 0 || lseek(log, 0, SEEK_END) || td_open() || dmabench_find() || !nr)
		tap_bail("needs /dev/kmsg, /dev/pkvm_iommu_test, an edu device, and a type");
	if (!td_has_identity(0))
		rest = "DMA";
	tap_ok(!new_domain(rest), "%s domain", rest);
	stress_domains(nr, types);
	used = pool_used();

	for (i = 0; i < nr; i++) {
		tap_ok(!new_domain(types[i]), "%s domain", types[i]);
		fd = dmabench_bind();
		tap_ok(fd >= 0, "%s: the driver probes", types[i]);
		for (g = 0; g < sizeof(single) / sizeof(single[0]); g++)
			stress_one(fd, types[i], single[g], 0);
		for (g = 0; g < sizeof(list) / sizeof(list[0]); g++)
			stress_one(fd, types[i], list[g], 1);
		close(fd);
		tap_ok(!dmabench_unbind(), "%s: the driver leaves", types[i]);
		tap_ok(pool_used() > used, "%s: the domain has page tables", types[i]);
		tap_ok(!new_domain(rest), "%s domain", rest);
		tap_ok(pool_used() == used, "%s: the domain leaves nothing (%lld, %lld)",
		       types[i], (long long)used, (long long)pool_used());
		tap_ok(!log_errors(log), "%s: no error in the kernel's log", types[i]);
	}
	return tap_done();
}
