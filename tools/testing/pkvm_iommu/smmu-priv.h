/* SPDX-License-Identifier: GPL-2.0 */
/* Interfaces between the files of the software SMMUs, see smmu.h. */
#ifndef SMMU_PRIV_H
#define SMMU_PRIV_H

#include "env.h"
#include "smmu.h"

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

#define BIT(n)		(1ULL << (n))
#define BITS(v, hi, lo)	(((v) >> (lo)) & (~0ULL >> (63 - ((hi) - (lo)))))
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* Registers of the SMMUv3 (IHI 0070, 6.2). */
#define IDR0		0x00
#define IDR1		0x04
#define IDR3		0x0c
#define IDR5		0x14
#define IIDR		0x18
#define CR0		0x20
#define CR0ACK		0x24
#define CR1		0x28
#define CR2		0x2c
#define GBPA		0x44
#define IRQ_CTRL	0x50
#define IRQ_CTRLACK	0x54
#define GERROR		0x60
#define GERRORN		0x64
#define GERROR_IRQ_CFG0	0x68
#define STRTAB_BASE	0x80
#define STRTAB_BASE_CFG	0x88
#define CMDQ_BASE	0x90
#define CMDQ_PROD	0x98
#define CMDQ_CONS	0x9c
#define EVTQ_BASE	0xa0
#define EVTQ_IRQ_CFG0	0xb0
#define EVTQ_PROD	0x100a8
#define EVTQ_CONS	0x100ac
#define REGS		0x100b0

#define CR0_SMMUEN	BIT(0)
#define CR0_PRIQEN	BIT(1)
#define CR0_EVTQEN	BIT(2)
#define CR0_CMDQEN	BIT(3)
#define CR0_ATSCHK	BIT(4)
#define GBPA_ABORT	BIT(20)
#define GBPA_UPDATE	BIT(31)
#define GERR_CMDQ	BIT(0)
#define OVERFLOW	BIT(31)
#define MSI_ADDR	0x000ffffffffffffcULL

#define ADDR_MASK	(0x0000ffffffffffffULL & ~(ENV_PAGE - 1))	/* of an output address */

/*
 * A page that the SMMU reads: part of its stream table, a context descriptor,
 * or a page table. @seen is its contents when they were last observed, in the CPU's
 * view and at the point of coherency.
 */
enum kind { L1STD, STES, CDS, TABLE };

struct stale {
	u16 index;
	u64 val;
};

struct watch {
	u64 pa;
	enum kind kind;
	u64 base;		/* first sid, L1 index, or input address */
	int level;		/* TABLE */
	struct ctx *ctx;	/* TABLE */
	bool unlinked;		/* out of the tables; cached translations may be left */
	bool changed;		/* since it was checked */
	bool fresh;		/* since smmu_check_fresh() */
	u64 seen[2][ENV_PTES];
	struct stale *stale;
	int nr_stale, max_stale;
	/*
	 * TABLE of stage 2: leaves that may be cached, combined with stage 1 of any nested
	 * context. The host may have made them global, so an ASID does not find all of them.
	 */
	struct stale *combined;
	int nr_combined, max_combined;
	struct watch *next;
};

/* Addresses of a nested domain that an INVALIDATE which is under way has to invalidate. */
struct inv {
	u64 start, end;
	bool leaf;
};

/* A tag of cached translations, and the page tables that were observed with it. */
struct root {
	u64 pa;
	int level, bits;
};

struct ctx {
	bool s2;
	u16 tag;
	u64 domain;		/* domain of the first ATTACH that used it */
	bool live;		/* a stream still uses it */
	bool reached;		/* by a configuration that the SMMU may use now */
	bool filled;		/* there may be cached translations */
	struct root roots[8];
	int nr_roots;
	struct watch *tables;
	/*
	 * Stage 1 within another context. The host's tables may say anything at any time, so
	 * they are not read: any input may lead to any address of stage 2.
	 */
	struct ctx *outer;
	struct inv inv[SMMU_CALLERS];
	struct ctx *next;
};

struct cmd {
	u64 w[2];
};

struct smmu;
struct outcome;

/* A version of the architecture. Without @observe and @check_freed it reads page tables only. */
struct smmu_model {
	void (*add)(struct smmu *s);	/* state that firmware left */
	void (*reset)(struct smmu *s, enum smmu_dead dead);
	u64 (*mmio)(struct smmu *s, u64 reg, bool write, u64 val, int size);
	bool (*enabled)(struct smmu *s);
	void (*observe)(struct smmu *s, u64 pa);	/* configuration in memory */
	struct outcome (*judge)(struct smmu *s, u32 sid);
	void (*judge_all)(struct smmu *s);
	unsigned int (*sid_bits)(struct smmu *s);
	/* An access was refused: record it, and set @f to the record. False if there is no room. */
	bool (*refused)(struct smmu *s, u32 sid, enum smmu_result res, u64 addr, bool write,
			struct spec_fault *f);
	int (*events)(struct smmu *s);	/* most that a queue can hold; 0: there is no queue */
	void (*check_events)(struct smmu *s, int nr_faults);
	/* Returns false if there is no room for it. */
	bool (*event)(struct smmu *s, u32 sid, int what, u64 addr, bool write);
	void (*gerror)(struct smmu *s, u32 bits);
	void (*check_enabled)(struct smmu *s);
	void (*check_freed)(struct smmu *s, u64 pa);
};

extern const struct smmu_model smmu_v3, smmu_v2;

struct smmu {
	struct smmu_config c;
	const struct smmu_model *model;
	int id;
	u64 limit;		/* exclusive end of the addresses that devices can use */
	bool taken;		/* the registers are EL2's */
	u64 reg[REGS / 4];	/* 64-bit ones in the even slot */
	unsigned int wait[4];	/* reads until CR0, IRQ_CTRL, GBPA, the queue take effect */
	struct watch *config;	/* stream table and context descriptors */
	struct ctx *ctxs;
	struct cmd pending[1024];	/* consumed since the last sync */
	int nr_pending;
	u32 sids[4096];		/* streams that may translate */
	int nr_sids;
	/* Context descriptors, by stream: cached apart from the entries. */
	struct {
		u32 sid;
		u64 pa;
		u64 root;	/* page to which stage 2 has led for the root table; 0: none */
	} cds[4096];
	int nr_cds;
	u64 identity[2];	/* stage 2 of the identity domain in an entry: words 2 and 3 */
	bool boot_config, boot_tlb, boot_el2;	/* stale since before boot */
	bool cmd_error;
	bool gated;			/* see SMMU_GATED */
	enum { SMMU_ENTRIES = 1, SMMU_BANKS } frozen;	/* see SMMU_FROZEN */
	int dying;			/* commands that it still takes, plus 1; 0: it lives */
	bool strtab;		/* the table is set up and watched */
};

extern struct smmu smmus[SMMU_MAX];
extern int nr_smmus;

#define REG(s, r)	((s)->reg[(r) / 4])

static inline bool enabled(struct smmu *s)
{
	return s->model->enabled(s);
}

/* Possible values of a word. */

#define MAX_VALUES	64

struct values {
	u64 v[MAX_VALUES];
	int nr;
};

/* Possible results of a stream's configuration. */
struct outcome {
	u32 sid;
	bool blocked, bypass;
	struct ctx *ctx;	/* the last one found */
	struct ctx *outer;	/* stage 2 of the entry at hand, if it nests */
	int cd;			/* descriptor at hand, in smmu::cds */
	int nr_ctx;
};

/*
 * Page tables (DDI 0487, D8). Levels are 0 to 3, entries 8 bytes. A table fills a granule, so an
 * entry of each level translates as many bits as a granule has entries.
 */
#define TABLE_BITS	(ENV_PAGE_SHIFT - 3)
#define PTES		((int)ENV_PTES)
/* The granule in an STE and in a descriptor, in a range of an invalidation, and in IDR5. */
#define GRANULE		(ENV_PAGE_SHIFT == 12 ? 0U : ENV_PAGE_SHIFT == 14 ? 2U : 1U)
#define RANGE_GRANULE	(ENV_PAGE_SHIFT == 12 ? 1U : ENV_PAGE_SHIFT == 14 ? 2U : 3U)
#define IDR5_GRANULE	(ENV_PAGE_SHIFT == 12 ? BIT(4) : ENV_PAGE_SHIFT == 14 ? BIT(5) : BIT(6))
#define IDR5_GRANULES	(7 * BIT(4))
/* Levels that have blocks: of 1 GiB and 2 MiB; of 32 MiB; of 512 MiB. */
#define BLOCK_LEVEL	(ENV_PAGE_SHIFT == 12 ? 1 : 2)

static inline int level_shift(int level)
{
	return ENV_PAGE_SHIFT + TABLE_BITS * (3 - level);
}

/* The table of a root that translates @addr, and in *@base the first address that it does. */
static inline u64 root_table(const struct root *root, u64 addr, u64 *base)
{
	u64 n = addr >> (level_shift(root->level) + TABLE_BITS);

	*base = n << (level_shift(root->level) + TABLE_BITS);

	return root->pa + n * ENV_PAGE;
}

static inline bool is_table(u64 pte, int level)
{
	return level < 3 && (pte & 3) == 3;
}

static inline bool is_leaf(u64 pte, int level)
{
	return level == 3 ? (pte & 3) == 3 : (pte & 3) == 1 && level >= BLOCK_LEVEL;
}

static inline bool pte_readable(struct ctx *ctx, u64 pte)
{
	if (!(pte & BIT(10)))		/* access flag */
		return false;

	return ctx->s2 ? pte & BIT(6) : true;
}

static inline bool pte_writable(struct ctx *ctx, u64 pte)
{
	if (!(pte & BIT(10)))
		return false;

	return ctx->s2 ? pte & BIT(7) : !(pte & BIT(7));
}

/* Memory types of entries, as io-pgtable-arm.c makes them. */
enum pte_type { PTE_OTHER, PTE_DEVICE, PTE_UNCACHED, PTE_CACHED };

/*
 * Stage 1 has an index into the MAIR, which judge_cd() and judge_nested() check; stage 2 the
 * type itself. Cacheable memory is inner shareable, other memory outer shareable.
 */
static inline enum pte_type pte_type(struct ctx *ctx, u64 pte)
{
	u64 type = ctx->s2 ? BITS(pte, 5, 2) : BITS(pte, 4, 2), share = BITS(pte, 9, 8);

	if (type == (ctx->s2 ? 1 : 2))
		return PTE_DEVICE;
	if (type == (ctx->s2 ? 5 : 0) && share == 2)
		return PTE_UNCACHED;
	if (type == (ctx->s2 ? 15 : 1) && share == 3)
		return PTE_CACHED;

	return PTE_OTHER;
}

static inline bool two_level(struct smmu *s)
{
	return BITS(REG(s, STRTAB_BASE_CFG), 17, 16) == 1;
}

static inline unsigned int strtab_split(struct smmu *s)
{
	return BITS(REG(s, STRTAB_BASE_CFG), 10, 6);
}

/* Stream table entries of which the SMMU reads those in one page. */
static inline u32 page_stes(struct smmu *s)
{
	u32 in_page = ENV_PAGE / 64;

	return two_level(s) && BIT(strtab_split(s)) < in_page ? BIT(strtab_split(s)) : in_page;
}

static inline u64 strtab_base(struct smmu *s)
{
	return REG(s, STRTAB_BASE) & 0x000fffffffffffc0ULL;
}

/* smmu-caches.c */
void word_values(struct watch *w, int index, struct values *vals);
void drop_stale(struct watch *w, int first, int last);
void combine_stale(struct ctx *nested);
void check_owned(struct smmu *s, u64 pa, const char *what);
void add_table(struct smmu *s, struct ctx *ctx, u64 pa, int level, u64 base);
void add_root(struct smmu *s, struct ctx *ctx, const struct root *root);
void free_watches(struct watch **list);
void observe_watch(struct smmu *s, struct watch *w);
u64 inv_size(struct cmd *c);
bool is_range(struct cmd *c);
void apply_cmd(struct smmu *s, struct cmd *c);

/* smmu-config.c */
bool stage2_root(struct smmu *s, u64 t0sz, u64 sl0, u64 tg0, u64 base, struct root *root);
struct ctx *found_ctx(struct smmu *s, bool s2, u16 tag, const struct root *root, u64 domain);
void count_ctx(struct outcome *out, struct ctx *ctx);
void drop_cds(struct smmu *s, u32 sid, bool all);
void forget_cds(struct smmu *s);
unsigned int v3_table_bits(struct smmu *s);
struct outcome v3_judge(struct smmu *s, u32 sid);
void v3_judge_all(struct smmu *s);
void v3_observe(struct smmu *s, u64 pa);

/* smmu-models.c */
struct outcome judge_stream(struct smmu *s, u32 sid);
void judge_all(struct smmu *s);
void observe_smmu(struct smmu *s, u64 pa);

#endif /* SMMU_PRIV_H */
