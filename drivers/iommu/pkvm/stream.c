// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices and their streams, and the domains that these are attached to.
 *
 * A master is a device behind an IOMMU. It has one or more stream ids, by which
 * the IOMMU tells devices apart. Devices can share a stream, as PCI aliases do,
 * but EL2 attaches a stream to one domain: so such devices are in one group,
 * streams count their devices, and a stream is attached with the first of them
 * and detached with the last.
 *
 * The identity domain is a domain at EL2 in which a device reaches exactly the
 * memory that the host may reach; it is never bypass. The blocked domain is the
 * state of a stream that is not attached.
 *
 * Locks: pkvm_iommu_streams_mutex guards every stream, the list of streams of
 * each IOMMU, and the domain of each master. The IOMMU core holds the mutex of
 * a group while the domain of its devices changes.
 *
 * Callers: the IOMMU core, through the operations in frontend.c and domain.c;
 * fault.c, for the device that a fault belongs to.
 */
#include <kunit/static_stub.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "core.h"

/* Guards all streams of all IOMMUs, see the top of this file. */
DEFINE_MUTEX(pkvm_iommu_streams_mutex);

/* For people: paging domains, by id; a value is their kind. */
DEFINE_XARRAY(pkvm_iommu_domains);

static u64 domain_id(struct iommu_domain *domain)
{
	return domain == &pkvm_iommu_identity_domain ? PKVM_IOMMU_DOMAIN_IDENTITY :
						       to_paging(domain)->id;
}

static int stream_call(struct pkvm_iommu_dev *pdev, u32 sid, enum pkvm_iommu_op op,
		       struct iommu_domain *domain)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= op,
		.args	= { pdev->id, sid, domain_id(domain) },
	};
	int ret = pkvm_iommu_hvc_topup(&hvc, GFP_KERNEL);

	if (op != PKVM_IOMMU_ATTACH || ret || !hvc.res[0])
		return ret;

	/* An IOMMU without page tables has to be told what is mapped already. */
	hvc.op = PKVM_IOMMU_REPLAY;
	hvc.args[1] = domain_id(domain);
	do {
		ret = pkvm_iommu_hvc(&hvc);
	} while (!ret && hvc.res[0]);
	if (ret)
		WARN_ON(stream_call(pdev, sid, PKVM_IOMMU_DETACH, domain));

	return ret;
}

/*
 * Count one more device as attached to a domain. Devices that share the stream
 * change domains one after the other: the first one takes the stream with it.
 */
static int stream_attach(struct pkvm_iommu_dev *pdev, u32 sid, struct iommu_domain *domain)
{
	struct pkvm_iommu_stream *stream = xa_load(&pdev->streams, sid);
	struct iommu_domain *old_domain = stream->attached ? stream->domain : NULL;
	int ret = 0;

	lockdep_assert_held(&pkvm_iommu_streams_mutex);
	if (old_domain != domain) {
		if (old_domain)
			WARN_ON(stream_call(pdev, sid, PKVM_IOMMU_DETACH, old_domain));
		ret = stream_call(pdev, sid, PKVM_IOMMU_ATTACH, domain);
		if (ret == -EBUSY && pkvm_iommu_in_crash_kernel()) {
			pkvm_iommu_detach_inherited(pdev, sid);
			ret = stream_call(pdev, sid, PKVM_IOMMU_ATTACH, domain);
		}
		/* Attaching to the old domain again needs no memory beyond what it had. */
		if (ret && old_domain)
			WARN_ON(stream_call(pdev, sid, PKVM_IOMMU_ATTACH, old_domain));
	}
	if (!ret) {
		stream->domain = domain;
		stream->attached++;
	}

	return ret;
}

/* Count one device less; the stream is blocked when none is left. */
static void stream_detach(struct pkvm_iommu_dev *pdev, u32 sid)
{
	struct pkvm_iommu_stream *stream = xa_load(&pdev->streams, sid);

	lockdep_assert_held(&pkvm_iommu_streams_mutex);
	if (!--stream->attached)
		WARN_ON(stream_call(pdev, sid, PKVM_IOMMU_DETACH, stream->domain));
}

static void master_detach(struct pkvm_iommu_master *master, struct iommu_fwspec *fwspec)
{
	int i;

	lockdep_assert_held(&pkvm_iommu_streams_mutex);
	if (master->domain != &pkvm_iommu_blocked_domain) {
		for (i = 0; i < fwspec->num_ids; i++)
			stream_detach(master->pdev, fwspec->ids[i]);
	}
	master->domain = &pkvm_iommu_blocked_domain;
}

/* Attach all streams of a master, or none. */
static int master_attach(struct pkvm_iommu_master *master, struct iommu_fwspec *fwspec,
			 struct iommu_domain *domain)
{
	int i, ret = 0;

	lockdep_assert_held(&pkvm_iommu_streams_mutex);
	for (i = 0; i < fwspec->num_ids && !ret; i++)
		ret = stream_attach(master->pdev, fwspec->ids[i], domain);
	if (!ret)
		master->domain = domain;
	else
		for (i--; i--; )
			stream_detach(master->pdev, fwspec->ids[i]);

	return ret;
}

/**
 * pkvm_iommu_attach() - attach_dev of the identity domain and of paging domains
 * @domain: the domain to attach to
 * @dev: the device
 * @old: unused
 *
 * After an error the device is attached to the same domain as before.
 *
 * Context: sleeps.
 * Return: 0; -EINVAL if the domain was made for an IOMMU of another geometry, without a message:
 * the caller then makes one that suits the device; -ENOMEM if the host has no pages for EL2; the
 * errors of PKVM_IOMMU_ATTACH and PKVM_IOMMU_REPLAY.
 */
int pkvm_iommu_attach(struct iommu_domain *domain, struct device *dev, struct iommu_domain *old)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);
	struct iommu_domain *old_domain = master->domain;
	int ret = 0;

	KUNIT_STATIC_STUB_REDIRECT(pkvm_iommu_attach, domain, dev, old);
	if (old_domain == domain)
		return 0;
	if (domain != &pkvm_iommu_identity_domain &&
	    to_paging(domain)->geometry != master->pdev->geometry)
		return -EINVAL;

	mutex_lock(&pkvm_iommu_streams_mutex);
	master_detach(master, fwspec);
	ret = master_attach(master, fwspec, domain);
	if (ret) {
		/* If there is no room, a device gets the identity domain, see has_room(). */
		if (ret != -ENOSPC || !master->pdev->identity)
			dev_err(dev, "pkvm_iommu: cannot attach: %d\n", ret);
		/* Attaching to the old domain again needs no memory beyond what it had. */
		if (old_domain != &pkvm_iommu_blocked_domain)
			WARN_ON(master_attach(master, fwspec, old_domain));
	}
	mutex_unlock(&pkvm_iommu_streams_mutex);

	return ret;
}

static int attach_blocked(struct iommu_domain *domain, struct device *dev,
			  struct iommu_domain *old)
{
	mutex_lock(&pkvm_iommu_streams_mutex);
	master_detach(dev_iommu_priv_get(dev), dev_iommu_fwspec_get(dev));
	mutex_unlock(&pkvm_iommu_streams_mutex);

	return 0;
}

struct iommu_domain pkvm_iommu_identity_domain = {
	.type	= IOMMU_DOMAIN_IDENTITY,
	.ops	= &(const struct iommu_domain_ops){
		.attach_dev	= pkvm_iommu_attach,
	},
};

struct iommu_domain pkvm_iommu_blocked_domain = {
	.type	= IOMMU_DOMAIN_BLOCKED,
	.ops	= &(const struct iommu_domain_ops){
		.attach_dev	= attach_blocked,
	},
};

static bool has_stream(struct pkvm_iommu_master *master, u32 sid)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(master->dev);
	int i;

	for (i = 0; i < fwspec->num_ids; i++) {
		if (fwspec->ids[i] == sid)
			return true;
	}

	return false;
}

/* Let another device of the stream stand for it. */
static void stream_pass_on(struct pkvm_iommu_dev *pdev, struct pkvm_iommu_stream *stream, u32 sid)
{
	struct pkvm_iommu_master *master;

	lockdep_assert_held(&pkvm_iommu_streams_mutex);
	list_for_each_entry(master, &pdev->masters, list) {
		if (master->dev != stream->dev && has_stream(master, sid)) {
			put_device(stream->dev);
			stream->dev = get_device(master->dev);
			return;
		}
	}
}

/* A device gives up the first @nr of its streams. */
static void streams_remove(struct pkvm_iommu_dev *pdev, struct device *dev,
			   struct iommu_fwspec *fwspec, int nr)
{
	struct pkvm_iommu_stream *stream;

	lockdep_assert_held(&pkvm_iommu_streams_mutex);
	while (nr--) {
		stream = xa_load(&pdev->streams, fwspec->ids[nr]);
		if (--stream->users) {
			if (stream->dev == dev)
				stream_pass_on(pdev, stream, fwspec->ids[nr]);
			continue;
		}
		xa_erase(&pdev->streams, fwspec->ids[nr]);
		put_device(stream->dev);
		kfree(stream);
	}
}

static int streams_add(struct pkvm_iommu_dev *pdev, struct device *dev,
		       struct iommu_fwspec *fwspec)
{
	struct pkvm_iommu_stream *stream;
	int i, ret;

	lockdep_assert_held(&pkvm_iommu_streams_mutex);
	for (i = 0; i < fwspec->num_ids; i++) {
		stream = xa_load(&pdev->streams, fwspec->ids[i]);
		if (stream) {
			stream->users++;
			continue;
		}
		stream = kzalloc_obj(*stream);
		if (!stream) {
			ret = -ENOMEM;
			goto undo;
		}
		stream->dev = get_device(dev);
		stream->users = 1;
		ret = xa_err(xa_store(&pdev->streams, fwspec->ids[i], stream, GFP_KERNEL));
		if (ret) {
			put_device(dev);
			kfree(stream);
			goto undo;
		}
	}

	return 0;

undo:
	streams_remove(pdev, dev, fwspec, i);
	return ret;
}

/**
 * pkvm_iommu_probe_device() - probe_device of the iommu_ops
 * @dev: the device, whose streams are blocked until it is attached
 *
 * Context: sleeps.
 * Return: the IOMMU; -ENODEV if EL2 does not have it; -ENOMEM.
 */
struct iommu_device *pkvm_iommu_probe_device(struct device *dev)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);
	struct pkvm_iommu_master *master;
	struct pkvm_iommu_dev *pdev;
	int ret;

	pdev = pkvm_iommu_find(fwspec->iommu_fwnode);
	if (!pdev)
		return ERR_PTR(-ENODEV);

	master = kzalloc_obj(*master);
	if (!master)
		return ERR_PTR(-ENOMEM);
	master->pdev = pdev;
	master->dev = dev;
	master->domain = &pkvm_iommu_blocked_domain;

	mutex_lock(&pkvm_iommu_streams_mutex);
	ret = streams_add(pdev, dev, fwspec);
	if (!ret)
		list_add_tail(&master->list, &pdev->masters);
	mutex_unlock(&pkvm_iommu_streams_mutex);
	if (ret) {
		kfree(master);
		return ERR_PTR(ret);
	}
	dev_iommu_priv_set(dev, master);

	return &pdev->iommu;
}

/*
 * Find the group of the devices that share a stream with this one: NULL if there are none,
 * an error if they are in different groups.
 */
static struct iommu_group *shared_group(struct pkvm_iommu_dev *pdev, struct device *dev)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);
	struct iommu_group *group = NULL, *other;
	struct pkvm_iommu_stream *stream;
	int i;

	lockdep_assert_held(&pkvm_iommu_streams_mutex);
	for (i = 0; i < fwspec->num_ids; i++) {
		stream = xa_load(&pdev->streams, fwspec->ids[i]);
		other = stream->dev != dev ? iommu_group_get(stream->dev) : NULL;
		if (!other)
			continue;
		if (group)
			iommu_group_put(group);
		if (group && group != other) {
			iommu_group_put(other);
			return ERR_PTR(-EINVAL);
		}
		group = other;
	}

	return group;
}

/**
 * pkvm_iommu_device_group() - device_group of the iommu_ops
 * @dev: the device
 *
 * Context: sleeps.
 * Return: the group of the devices that share a stream with @dev, or one as for any IOMMU;
 * -EINVAL if devices in different groups share streams with @dev; -ENOMEM.
 */
struct iommu_group *pkvm_iommu_device_group(struct device *dev)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	struct iommu_group *group;

	mutex_lock(&pkvm_iommu_streams_mutex);
	group = shared_group(master->pdev, dev);
	mutex_unlock(&pkvm_iommu_streams_mutex);
	if (group)
		return group;

	return dev_is_pci(dev) ? pci_device_group(dev) : generic_device_group(dev);
}

/**
 * pkvm_iommu_release_device() - release_device of the iommu_ops
 * @dev: the device
 *
 * Context: sleeps.
 */
void pkvm_iommu_release_device(struct device *dev)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);

	mutex_lock(&pkvm_iommu_streams_mutex);
	/*
	 * The device is not always blocked here: one with direct mappings in the
	 * firmware is released to the identity domain.
	 */
	master_detach(master, fwspec);
	list_del(&master->list);
	streams_remove(master->pdev, dev, fwspec, fwspec->num_ids);
	mutex_unlock(&pkvm_iommu_streams_mutex);
	kfree(master);
}

static void show_domain(struct seq_file *s, const struct pkvm_iommu_stream *stream)
{
	if (!stream->attached)
		seq_puts(s, "blocked");
	else if (stream->domain == &pkvm_iommu_identity_domain)
		seq_puts(s, "identity");
	else
		seq_printf(s, "domain %llu", to_paging(stream->domain)->id);
}

/**
 * pkvm_iommu_show_streams() - print the streams of an IOMMU
 * @s: the file
 * @pdev: the IOMMU
 *
 * Context: sleeps; takes pkvm_iommu_streams_mutex.
 */
void pkvm_iommu_show_streams(struct seq_file *s, struct pkvm_iommu_dev *pdev)
{
	struct pkvm_iommu_stream *stream;
	unsigned long sid;

	mutex_lock(&pkvm_iommu_streams_mutex);
	xa_for_each(&pdev->streams, sid, stream) {
		seq_printf(s, "%u: stream %#lx, %s, ", pdev->id, sid, dev_name(stream->dev));
		show_domain(s, stream);
		seq_printf(s, ", %lu faults\n", stream->faults);
	}
	mutex_unlock(&pkvm_iommu_streams_mutex);
}
