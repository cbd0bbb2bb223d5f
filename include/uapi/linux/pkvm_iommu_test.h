/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_PKVM_IOMMU_TEST_H
#define _UAPI_LINUX_PKVM_IOMMU_TEST_H
#include <uapi/linux/pkvm_iommu.h>
#endif
