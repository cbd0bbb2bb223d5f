// SPDX-License-Identifier: GPL-2.0
/*
 * A crash while a protected VM runs and a disk is read. The crash kernel writes /proc/vmcore to
 * the disk, which is behind an IOMMU of EL2's. TAP, of each of the two kernels.
 *
 *	crash load [WORD...]	start a VM, load /crash/Image as crash kernel, with these words on
 *				its command line, and let the kernel panic
 *	crash dump PAGE...	in the crash kernel, which gets the arguments from the above: a
 *				letter each for the owner (h: host, g: guest, e: EL2), and the
 *				physical address
 *	crash read PAGE...	the same, but as init, and /proc/vmcore is only read
 *
 * A crash kernel that does not ask EL2 has no device to report by, not even interrupts of one:
 * with pkvm_iommu=off, "crash read" reports on the console, up to the page that it faults on.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "phys.h"
#include "tap.h"
#include "testdev.h"
#include "vm.h"

#define DISK		"/dev/nvme0n1"
#define SEED		20
#define VM_PAGES	16
#define CHUNK		(256 * 1024L)
#define SEGMENTS	32
#define PAGES_MAX	40

/* <linux/kexec.h> */
#define ON_CRASH	2

static struct page {
	char owner;
	uint64_t phys;
} pages[PAGES_MAX];
static int nr_pages;

static Elf64_Phdr segments[SEGMENTS];
static int nr_segments;
static uint64_t *buffer;

static void add(char owner, uint64_t phys)
{
	if (nr_pages < PAGES_MAX)
		pages[nr_pages++] = (struct page) { owner, phys };
}

/* Of the host's page. */
static uint64_t mark(int i)
{
	return 0x70616e6963000000ULL + i;
}

static void read_forever(void)
{
	int disk = open(DISK, O_RDONLY | O_DIRECT);
	off_t at = 0;

	while (pread(disk, buffer, CHUNK, at) > 0)
		at = (at + CHUNK) % (16 * CHUNK);
}

static void load_kernel(int argc, char **argv)
{
	int kernel = open("/crash/Image", O_RDONLY), initrd = open("/crash/initrd", O_RDONLY);
	char line[2000];
	bool off;
	size_t n;
	int i;

	n = snprintf(line, sizeof(line), "console=ttyAMA0 panic=-1 nr_cpus=1");
	for (i = 0; i < argc; i++)
		n += snprintf(line + n, sizeof(line) - n, " %s", argv[i]);
	off = argc && !strncmp(argv[0], "pkvm_iommu=off", 14);
	n += snprintf(line + n, sizeof(line) - n,
		      off ? " rdinit=/bin/crash -- read" : " pkvm_test=crash:dump");
	for (i = 0; i < nr_pages; i++)
		n += snprintf(line + n, sizeof(line) - n, "%c%c%llx", off ? ' ' : ':',
			      pages[i].owner, (unsigned long long)pages[i].phys);
	tap_ok(!syscall(SYS_kexec_file_load, kernel, initrd, n + 1, line, ON_CRASH),
	       "the crash kernel is loaded: %s", strerror(errno));
}

static void load(int argc, char **argv)
{
	static const uint64_t kinds[] = {
		PKVM_IOMMU_TEST_RANGE_HYP_TEXT, PKVM_IOMMU_TEST_RANGE_HYP_DATA,
		PKVM_IOMMU_TEST_RANGE_CARVEOUT, PKVM_IOMMU_TEST_RANGE_POOL,
		PKVM_IOMMU_TEST_RANGE_TABLE,
	};
	uint64_t *host = phys_alloc(1);
	struct pkvm_iommu_test_range r;
	struct vm vm;
	int i, fd;

	if (td_open() || !host)
		tap_bail("no /dev/pkvm_iommu_test, or no page");
	/* Later, the kernel would copy pages of the VM, and take them from it for that. */
	if (!fork())
		read_forever();
	for (i = 0; i < (int)(PAGE / 8); i++)
		host[i] = mark(i);
	add('h', phys_of(host));
	if (!tap_ok(!vm_start(&vm, true, VM_PAGES, SEED) && !vm_fill(&vm, 1, VM_PAGES - 1),
		    "a protected VM has written its secret: %s", vm.step))
		tap_bail("no VM");
	for (i = 0; i < VM_PAGES; i++)
		add('g', vm_phys(&vm, i));
	for (i = 0; i < (int)(sizeof(kinds) / sizeof(*kinds)); i++)
		if (td_range(kinds[i], 0, &r) && r.size)
			add('e', r.address & ~(PAGE - 1));
	load_kernel(argc, argv);
	usleep(200000);
	fd = open("/proc/sysrq-trigger", O_WRONLY);
	tap_note("crash");
	tap_ok(write(fd, "c", 1) == 0, "the kernel has not crashed");
}

/* Offset of a physical address in /proc/vmcore; -1 if it is not there. */
static off_t offset_of(uint64_t phys)
{
	int i;

	for (i = 0; i < nr_segments; i++) {
		const Elf64_Phdr *s = &segments[i];

		if (s->p_type == PT_LOAD && phys - s->p_paddr < s->p_filesz)
			return s->p_offset + (phys - s->p_paddr);
	}
	return -1;
}

static bool read_segments(int core)
{
	Elf64_Ehdr head;

	if (pread(core, &head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_phnum > SEGMENTS)
		return false;
	nr_segments = head.e_phnum;
	return pread(core, segments, nr_segments * sizeof(*segments), head.e_phoff) ==
	       (ssize_t)(nr_segments * sizeof(*segments));
}

static bool is_zero(const uint64_t *page)
{
	size_t i;

	for (i = 0; i < PAGE / 8; i++)
		if (page[i])
			return false;
	return true;
}

/* A page looks like one that the guest has written. */
static bool is_secret(const uint64_t *page)
{
	static const struct vm vm = { .seed = SEED };
	size_t i;

	for (i = 1; i < VM_PAGES; i++)
		if (page[7] == vm_secret(&vm, i, 7) || page[100] == vm_secret(&vm, i, 100))
			return true;
	return false;
}

/* Copy all of it, and count the pages that are the guest's. Returns the bytes. */
static off_t copy(int core, int disk, int *secrets)
{
	off_t at = 0;
	ssize_t n, done, size;

	for (*secrets = 0; ; at += n) {
		for (n = 0; n < CHUNK; n += done) {
			done = pread(core, (char *)buffer + n, CHUNK - n, at + n);
			if (done < 0)
				return -1;
			if (!done)
				break;
		}
		if (!n)
			return at;
		size = (n + PAGE - 1) / PAGE * PAGE;
		memset((char *)buffer + n, 0, size - n);
		for (done = 0; done < size; done += PAGE)
			*secrets += is_secret(buffer + done / 8);
		if (pwrite(disk, buffer, size, at) != size)
			return -1;
	}
}

/* By read() and by mmap(). */
static void read_page(int core, const struct page *page)
{
	off_t at = offset_of(page->phys);
	bool zero, same = false;
	uint64_t *mem;

	if (!tap_ok(at >= 0 && pread(core, buffer, PAGE, at) == (ssize_t)PAGE,
		    "/proc/vmcore: page %#llx of %c", (unsigned long long)page->phys, page->owner))
		return;
	zero = is_zero(buffer);
	mem = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, core, at);
	if (mem != MAP_FAILED) {
		same = !memcmp(mem, buffer, PAGE);
		munmap(mem, PAGE);
	}
	tap_ok(zero == (page->owner != 'h') && same, "/proc/vmcore: it is %s, and mapped, it is %s",
	       zero ? "zeros" : "not zeros", same ? "the same" : "something else");
}

static void check_page(int disk, const struct page *page)
{
	off_t at = offset_of(page->phys);
	bool good = at >= 0 && pread(disk, buffer, PAGE, at) == (ssize_t)PAGE;
	int i;

	if (page->owner != 'h') {
		tap_ok(good && is_zero(buffer), "page %#llx of %s is zeros on the disk",
		       (unsigned long long)page->phys, page->owner == 'g' ? "the guest" : "EL2");
		return;
	}
	for (i = 0; i < (int)(PAGE / 8) && good; i++)
		good = buffer[i] == mark(i);
	tap_ok(good, "page %#llx of the host is on the disk, with its contents",
	       (unsigned long long)page->phys);
}

/* Hypercalls of this kernel, as those of any other host, do not reach the page. */
static void attack(uint64_t domain, const struct page *page)
{
	uint64_t phys = page->phys, expect = page->owner == 'h';
	struct td_res res;

	res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_REACHES, phys, 0);
	tap_ok(!res.err && res.x2 == expect, "INFO: the host %s %#llx",
	       expect ? "reaches" : "does not reach", (unsigned long long)phys);
	res = td_map(domain, 0x100000, phys, PAGE, PKVM_IOMMU_PROT_READ);
	tap_ok(res.err == (expect ? 0 : -EPERM), "MAP of it: %lld", (long long)res.err);
	if (!expect) {
		res = td_call(PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0);
		tap_ok(res.err == -EPERM, "TOPUP of it: %lld", (long long)res.err);
		return;
	}
	res = td_call(PKVM_IOMMU_UNMAP, domain, 0x100000, PAGE);
	tap_ok(!res.err, "UNMAP of it: %lld", (long long)res.err);
}

static void attacks(void)
{
	struct td_res res = { .err = -ENODEV };
	int i;

	if (!td_open() && td_topup(16))
		res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_MANAGED, 0, 0);
	if (!tap_ok(!res.err, "DOMAIN_ALLOC: %lld", (long long)res.err))
		return;
	for (i = 0; i < nr_pages; i++)
		attack(res.x2, &pages[i]);
}

static int read_core(void)
{
	int i, core = open("/proc/vmcore", O_RDONLY);

	tap_ok(core >= 0 && read_segments(core), "/proc/vmcore has %d segments", nr_segments);
	/* First, so that a fault comes at once. */
	for (i = 0; i < nr_pages; i++)
		read_page(core, &pages[i]);
	return core;
}

static void dump(void)
{
	int secrets, i, core = read_core();
	int disk = open(DISK, O_RDWR | O_DIRECT);
	char type[16] = "";
	off_t size;
	FILE *f;

	f = fopen("/sys/block/nvme0n1/device/device/iommu_group/type", "r");
	if (f && !fgets(type, sizeof(type), f))
		type[0] = '\0';
	tap_ok(disk >= 0 && !strncmp(type, "DMA", 3), "the disk is behind an IOMMU: %.3s", type);
	size = copy(core, disk, &secrets);
	tap_ok(size > 0, "all of it is written to the disk: %lld KiB", (long long)size / 1024);
	tap_ok(!secrets, "%d pages look like the guest's", secrets);
	for (i = 0; i < nr_pages; i++)
		check_page(disk, &pages[i]);
	attacks();
}

int main(int argc, char **argv)
{
	int i;

	buffer = aligned_alloc(PAGE, CHUNK);
	if (argc < 2 || !buffer)
		tap_bail("usage: crash load [WORD...] | crash dump PAGE...");
	if (!strcmp(argv[1], "load")) {
		load(argc - 2, argv + 2);
		return tap_done();
	}
	for (i = 2; i < argc; i++)
		add(argv[i][0], strtoull(argv[i] + 1, NULL, 16));
	if (!strcmp(argv[1], "read")) {
		mount("proc", "/proc", "proc", 0, NULL);
		close(read_core());
	} else {
		dump();
	}
	return tap_done();
}
