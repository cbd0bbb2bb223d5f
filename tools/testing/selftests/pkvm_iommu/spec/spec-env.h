/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interface between the specification and the build-machine runner
 * (tools/testing/pkvm_iommu): the changes of page ownership, and the runner's guest.
 */
#ifndef SPEC_ENV_H
#define SPEC_ENV_H

#define ENV_GUEST	1		/* handle of the only guest, and its root table */
#define ENV_GUEST_PGD	0x40008000ULL

/* Changes of page ownership that the environment of EL2 offers. */
enum env_op {
	ENV_SHARE_HYP,		/* host shares with EL2, and back */
	ENV_UNSHARE_HYP,
	ENV_DONATE_GUEST,	/* host gives to a guest, and back */
	ENV_RECLAIM_GUEST,
	ENV_GUEST_SHARE,	/* guest shares its page with the host, and back */
	ENV_GUEST_UNSHARE,
	ENV_OPS
};

#endif /* SPEC_ENV_H */
