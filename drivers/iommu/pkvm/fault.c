// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults: an IOMMU interrupts the host when it has refused an access. The
 * interrupt thread reads the records from EL2, and reports each one to the
 * fault handler of the domain, or else in the log.
 *
 * Locks: pkvm_iommu_streams_mutex, to find the device and the domain of a
 * stream. It is held while a fault handler runs, so a handler must not attach
 * or detach devices.
 *
 * Callers: interrupts, which frontend.c requests at boot.
 */
#define pr_fmt(fmt) "pkvm_iommu: " fmt

#include <linux/bitfield.h>
#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/suspend.h>

#include "core.h"
#include "test-hooks.h"

/* The interrupt thread works and pauses in turns of this length, in jiffies. */
#define FAULT_WORK		(HZ / 100)

static const char *fault_reason(u64 info)
{
	switch (FIELD_GET(PKVM_IOMMU_FAULT_REASON, info)) {
	case PKVM_IOMMU_FAULT_BLOCKED:
		return "the stream is not attached";
	case PKVM_IOMMU_FAULT_UNMAPPED:
		return "not the host's to reach, or not mapped";
	case PKVM_IOMMU_FAULT_PERMISSION:
		return "not permitted";
	case PKVM_IOMMU_FAULT_FORBIDDEN:
		return "a kind of transaction that is not allowed";
	case PKVM_IOMMU_FAULT_HARDWARE:
		return "hardware error";
	}

	return "unknown reason";
}

/*
 * Report a fault to the handler of the stream's paging domain, if it has one.
 * Returns true if the handler dealt with it.
 */
static bool report_to_handler(struct pkvm_iommu_stream *stream, u64 info, u64 address)
{
	int flags = info & PKVM_IOMMU_FAULT_WRITE ? IOMMU_FAULT_WRITE : IOMMU_FAULT_READ;

	lockdep_assert_held(&pkvm_iommu_streams_mutex);
	if (!stream || !stream->attached || stream->domain == &pkvm_iommu_identity_domain)
		return false;

	/* This also emits the io_page_fault trace event. */
	return !report_iommu_fault(stream->domain, stream->dev, address, flags);
}

/*
 * Log a fault, unless a handler of the domain has dealt with it. One rate limit covers
 * all IOMMUs. Tests look for the words "was refused a", and the README quotes the line.
 */
static void report_fault(struct pkvm_iommu_dev *pdev, u64 info, u64 address)
{
	static DEFINE_RATELIMIT_STATE(rs, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);
	u32 sid = FIELD_GET(PKVM_IOMMU_FAULT_SID, info);
	struct pkvm_iommu_stream *stream;

	pkvm_iommu_test_fault(pdev->id, info, address);

	if (FIELD_GET(PKVM_IOMMU_FAULT_REASON, info) == PKVM_IOMMU_FAULT_HARDWARE) {
		if (__ratelimit(&rs))
			dev_err(pdev->dev, "pkvm_iommu: %s: stream %#x, code %#llx\n",
				fault_reason(info), sid, address);
		return;
	}

	mutex_lock(&pkvm_iommu_streams_mutex);
	stream = xa_load(&pdev->streams, sid);
	if (stream)
		stream->faults++;
	if (!report_to_handler(stream, info, address) && __ratelimit(&rs))
		dev_err(pdev->dev, "pkvm_iommu: %s (stream %#x) was refused a %s %#llx: %s%s\n",
			stream ? dev_name(stream->dev) : "unknown device", sid,
			info & PKVM_IOMMU_FAULT_WRITE ? "write to" : "read of", address,
			fault_reason(info),
			info & PKVM_IOMMU_FAULT_LOST ? "; others were lost" : "");
	mutex_unlock(&pkvm_iommu_streams_mutex);
}

/*
 * One interrupt may stand for many faults, so the thread returns only when EL2
 * has no more records. A device can fault without end, and an interrupt thread
 * has real-time priority: it pauses after every FAULT_WORK jiffies, which leaves
 * half of the CPU's time to others. Faults that do not fit into the hardware's
 * queue meanwhile are lost, and reported as lost.
 */
static irqreturn_t fault_thread(int irq, void *data)
{
	struct pkvm_iommu_dev *pdev = data;
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_FAULT, .args = { pdev->id } };
	unsigned long pause = jiffies + FAULT_WORK;
	irqreturn_t ret = IRQ_NONE;

	while (!pkvm_iommu_hvc(&hvc)) {
		report_fault(pdev, hvc.res[0], hvc.res[1]);
		ret = IRQ_HANDLED;
		if (time_after(jiffies, pause)) {
			schedule_timeout_uninterruptible(FAULT_WORK + 1);
			pause = jiffies + FAULT_WORK;
		}
	}

	return ret;
}

/**
 * pkvm_iommu_request_irqs() - report the faults of an IOMMU from now on
 * @pdev: the IOMMU
 *
 * An interrupt that is missing or cannot be had costs the reports only: a
 * warning names it.
 *
 * Context: boot, once pKVM is finalised; sleeps.
 */
void __init pkvm_iommu_request_irqs(struct pkvm_iommu_dev *pdev)
{
	int i, ret;

	for (i = 0; i < pdev->nr_irqs; i++) {
		ret = request_threaded_irq(pdev->irqs[i], NULL, fault_thread,
					   IRQF_ONESHOT | IRQF_SHARED,
					   dev_name(pdev->dev), pdev);
		if (ret)
			dev_warn(pdev->dev, "pkvm_iommu: no interrupt %d: %d\n",
				 pdev->irqs[i], ret);
	}
	if (!pdev->nr_irqs)
		dev_warn(pdev->dev, "pkvm_iommu: no wired interrupt: faults are not reported\n");
}

/* An interrupt that was not to be had has no thread, and none is woken. */
static int system_woke_up(struct notifier_block *nb, unsigned long event, void *data)
{
	struct pkvm_iommu_dev *pdev;
	int i;

	if (event != PM_POST_SUSPEND && event != PM_POST_HIBERNATION &&
	    event != PM_POST_RESTORE)
		return NOTIFY_DONE;

	for_each_pkvm_iommu_dev(pdev) {
		for (i = 0; i < pdev->nr_irqs; i++)
			irq_wake_thread(pdev->irqs[i], pdev);
	}

	return NOTIFY_OK;
}

static struct notifier_block power_notifier = { .notifier_call = system_woke_up };

/**
 * pkvm_iommu_fault_init() - read faults whenever the system wakes up
 *
 * Context: boot; sleeps.
 */
void __init pkvm_iommu_fault_init(void)
{
	if (register_pm_notifier(&power_notifier))
		pr_warn("faults that occur while the system sleeps may be reported late\n");
}
