// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vm.h"

#ifndef KVM_VM_TYPE_ARM_PROTECTED
#define KVM_VM_TYPE_ARM_PROTECTED	(1UL << 31)
#endif

/* regs.pc of struct kvm_regs, in 32-bit words: Documentation/virt/kvm/api.rst */
#define REG_PC	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
		 offsetof(struct kvm_regs, regs.pc) / sizeof(__u32))

/* Pages that are given to a protected VM count as locked memory. */
static void allow_locked_memory(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &all);
}

static int vm_create(struct vm *vm, bool protected)
{
	struct kvm_userspace_memory_region slot = {
		.guest_phys_addr = GUEST_RAM,
		.memory_size = vm->pages * PAGE,
		.userspace_addr = (uintptr_t)vm->mem,
	};

	vm->step = "open /dev/kvm";
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return -errno;
	vm->step = "KVM_CREATE_VM";
	/* A suspend of the system interrupts this call. */
	do {
		vm->fd = ioctl(vm->kvm, KVM_CREATE_VM,
			       protected ? KVM_VM_TYPE_ARM_PROTECTED : 0UL);
	} while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return -errno;
	vm->step = "KVM_SET_USER_MEMORY_REGION";
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
		return -errno;
	return 0;
}

static int vm_create_vcpu(struct vm *vm)
{
	uint64_t pc = GUEST_RAM;
	struct kvm_one_reg reg = { .id = REG_PC, .addr = (uintptr_t)&pc };
	struct kvm_vcpu_init init = { 0 };
	int size;

	vm->step = "KVM_CREATE_VCPU";
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		return -errno;
	vm->step = "KVM_GET_VCPU_MMAP_SIZE";
	size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < 0)
		return -errno;
	vm->run_size = size;
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		return -errno;
	vm->step = "KVM_ARM_VCPU_INIT";
	if (ioctl(vm->fd, KVM_ARM_PREFERRED_TARGET, &init))
		return -errno;
	init.features[0] |= 1 << KVM_ARM_VCPU_PSCI_0_2;
	if (ioctl(vm->vcpu, KVM_ARM_VCPU_INIT, &init))
		return -errno;
	vm->step = "KVM_SET_ONE_REG";
	return ioctl(vm->vcpu, KVM_SET_ONE_REG, &reg) ? -errno : 0;
}

/* Runs up to the next access to the command registers. */
static int vm_run(struct vm *vm)
{
	struct kvm_run *run = vm->run;

	vm->step = "KVM_RUN";
	do {
		if (!ioctl(vm->vcpu, KVM_RUN, 0))
			return run->exit_reason == KVM_EXIT_MMIO &&
			       run->mmio.len == 8 ? 0 : -EPROTO;
	} while (errno == EINTR || errno == EAGAIN);
	return -errno;
}

int vm_start(struct vm *vm, bool protected, size_t pages, uint32_t seed)
{
	int ret;

	allow_locked_memory();
	*vm = (struct vm){
		.kvm = -1, .fd = -1, .vcpu = -1, .run = MAP_FAILED,
		.pages = pages, .seed = seed, .step = "memory",
	};
	vm->mem = phys_alloc(pages);
	if (!vm->mem)
		return -ENOMEM;
	memcpy(vm->mem, guest_start, guest_end - guest_start);
	memset(vm->mem + PAGE, VM_FILLER, (pages - 1) * PAGE);

	ret = vm_create(vm, protected);
	if (!ret)
		ret = vm_create_vcpu(vm);
	/* The guest now waits in its first read, of GUEST_OP. */
	if (!ret)
		ret = vm_run(vm);
	if (ret)
		vm_stop(vm);
	return ret;
}

/*
 * Dropping the last reference destroys the VM, and EL2 wipes and returns the guest's
 * pages. Only then may their mapping be removed.
 */
void vm_destroy(struct vm *vm)
{
	if (vm->run != MAP_FAILED)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm >= 0)
		close(vm->kvm);
	vm->run = MAP_FAILED;
	vm->vcpu = -1;
	vm->fd = -1;
	vm->kvm = -1;
}

void vm_stop(struct vm *vm)
{
	vm_destroy(vm);
	phys_free(vm->mem, vm->pages);
	vm->mem = NULL;
}

/* Answer the guest's reads until it writes a result or stops. */
static int vm_command(struct vm *vm, uint64_t op, uint64_t addr, uint64_t size)
{
	struct kvm_run *run = vm->run;

	while (!run->mmio.is_write) {
		uint64_t value;
		int ret;

		switch (run->mmio.phys_addr - GUEST_MMIO) {
		case GUEST_OP:
			value = op;
			break;
		case GUEST_ADDR:
			value = addr;
			break;
		case GUEST_SIZE:
			value = size;
			break;
		case GUEST_SEED:
			value = (uint64_t)vm->seed << 32;
			break;
		default:
			return -EPROTO;
		}
		memcpy(run->mmio.data, &value, sizeof(value));
		ret = vm_run(vm);
		if (ret)
			return ret;
	}
	return 0;
}

/* Take the guest's result, and run it until it waits for the next command. */
static int vm_result(struct vm *vm, uint64_t *result)
{
	struct kvm_run *run = vm->run;

	if (!run->mmio.is_write ||
	    run->mmio.phys_addr != GUEST_MMIO + GUEST_RESULT)
		return -EPROTO;
	memcpy(result, run->mmio.data, sizeof(*result));
	return vm_run(vm);
}

static int vm_order(struct vm *vm, uint64_t op, uint64_t offset, uint64_t size,
		    uint64_t *result)
{
	int ret;

	if (vm->vcpu < 0)
		return -ENXIO;
	ret = vm_command(vm, op, GUEST_RAM + offset, size);
	return ret ? ret : vm_result(vm, result);
}

int vm_resume(struct vm *vm, uint64_t *result)
{
	int ret = vm_run(vm);

	return ret ? ret : vm_result(vm, result);
}

int vm_do(struct vm *vm, uint64_t op, size_t page, size_t pages,
	  uint64_t *result)
{
	return vm_order(vm, op, page * PAGE, pages * PAGE, result);
}

int vm_load(struct vm *vm, size_t offset, uint64_t *word)
{
	return vm_order(vm, OP_LOAD, offset, sizeof(*word), word);
}

int vm_off(struct vm *vm)
{
	struct kvm_run *run = vm->run;
	int ret = vm_command(vm, OP_OFF, 0, 0);

	if (ret != -EPROTO)
		return ret ? ret : -EPROTO;
	return run->exit_reason == KVM_EXIT_SYSTEM_EVENT &&
	       run->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN ? 0 : ret;
}

uint64_t vm_secret(const struct vm *vm, size_t page, size_t i)
{
	return (uint64_t)vm->seed << 32 | ((GUEST_RAM + page * PAGE) / 8 + i);
}

uint64_t vm_phys(const struct vm *vm, size_t page)
{
	return phys_of(vm->mem + page * PAGE);
}
