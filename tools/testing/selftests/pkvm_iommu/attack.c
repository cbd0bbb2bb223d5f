// SPDX-License-Identifier: GPL-2.0
/*
 * The attack catalogue: host root against a protected guest, EL2 and the
 * IOMMU. Prints for each attack
 *
 *	row <id>|<text>|<outcome>|<evidence>
 *
 * outcome:
 *	reached	the attack worked: the secret was read, memory was changed
 *	blocked	memory is unchanged or nothing was read, and the IOMMU's fault
 *		record of this access proves why. For memory that returns to
 *		the host: it is zero, and reachable again.
 *	refused	the hypercall failed with the documented error, or the CPU's
 *		access with a signal
 *	n/a	there is nothing to attack, as with the protection off; or pKVM
 *		stops it without the layer, and the protection is off
 *	fail	none of these
 *
 * The positive control (the device reads and writes host memory) runs before and
 * after each row; the row fails if the control does.
 *
 *	attack [id ...]			only these
 *	attack nested [id ...]		with edu in a nested domain: all DMA is translated by
 *					a page table of this program, and then by EL2's
 *
 * First line "rows <n>", last line "end <n>": fewer rows mean that the run died.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attack.h"

static char evidence[200];
static bool layer_off;

void say(const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	vsnprintf(evidence, sizeof(evidence), text, ap);
	va_end(ap);
}

enum outcome broken(const char *what)
{
	say("%s", what);
	return FAIL;
}

/* Run a row with edu in a new nested domain, with a control in there. */
static enum outcome run_nested(const struct row *row)
{
	bool before = probe_nested;
	enum outcome outcome;
	int ret;

	probe_leave();
	probe_nested = true;
	ret = probe_enter();
	if (ret || !control())
		outcome = broken("no nested domain, or DMA does not work in it");
	else
		outcome = row->run(row);
	probe_leave();
	probe_nested = before;
	return probe_enter() ? broken("edu does not come back from it") : outcome;
}

static enum outcome run(const struct row *row)
{
	if (!row->nested || layer_off)
		return row->run(row);
	return run_nested(row);
}

static bool run_row(const struct row *row)
{
	static const char * const names[] = {
		"reached", "blocked", "refused", "n/a", "fail"
	};
	enum outcome outcome = FAIL;

	evidence[0] = '\0';
	/* The control after the previous row is also the control before this one. */
	if (row->nested && !can_nest()) {
		say("no IOMMU can nest");
		outcome = NOT_THERE;
	} else {
		outcome = run(row);
	}
	if (!control()) {
		size_t len = strlen(evidence);

		snprintf(evidence + len, sizeof(evidence) - len,
			 "; DMA to host memory does not work after it");
		outcome = FAIL;
	}
	/* Stopped, but not by the layer, which is off: nothing is shown. */
	if (row->stock && layer_off && (outcome == BLOCKED || outcome == REFUSED))
		outcome = NOT_THERE;
	printf("row %s|%s|%s|%s\n", row->id, row->text, names[outcome], evidence);
	fflush(stdout);
	return outcome != FAIL;
}

static bool wanted(const struct row *row, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(row->id, argv[i]))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	size_t i, n = 0, ran = 0, good = 0;
	int ret;

	probe_nested = argc > 1 && !strcmp(argv[1], "nested");
	if (probe_nested) {
		argc--;
		argv++;
	}
	for (i = 0; i < nr_rows; i++)
		n += wanted(&rows[i], argc, argv);
	printf("rows %zu\n", n);
	if (td_open())
		printf("# no /dev/pkvm_iommu_test: nothing can count as blocked\n");
	ret = probe_init();
	if (ret || !control()) {
		printf("# no edu device, or its DMA does not work: %d\n", ret);
		return 1;
	}
	layer_off = in_service() != REACHED;
	printf("# edu is %s, stream %#x%s\n", edu.name, edu.sid,
	       probe_tables ? ", in a nested domain" : "");
	fflush(stdout);

	for (i = 0; i < nr_rows; i++) {
		if (!wanted(&rows[i], argc, argv))
			continue;
		good += run_row(&rows[i]);
		ran++;
	}
	probe_leave();
	printf("end %zu\n", ran);
	return !ran || good != ran;
}
