# SPDX-License-Identifier: GPL-2.0
#
# Content of a file that several patches share, as it is after one of them:
#
#   awk -v path=FILE -v options=" X Y " -f derive.awk PRESENT FINAL
#
# PRESENT lists the files of the series that exist then, FINAL is the content after the
# last patch. From FINAL goes
#
#   - a word of "obj-y += a.o b.o" or "TEST_GEN_PROGS := a b" without a source file,
#     and the line with its last word;
#   - a block "config X", a block "ifdef CONFIG_X" with the comment before it, and a
#     line "KIND(X, y)", where X is not in options.
#
# With options_only=1, prints the options that a Makefile needs for its objects.

BEGIN {
	dir = path
	sub(/\/[^\/]*$/, "", dir)
	up = dir
	sub(/\/[^\/]*$/, "", up)
}

NR == FNR { have[$0] = 1; next }

# An object may be relative to the parent, whose Makefile includes this one.
function has_source(word) {
	sub(/\.o$/, "", word)
	return (dir "/" word ".c" in have) || (up "/" word ".c" in have)
}

function has_option(x) {
	return index(options, " " x " ")
}

# Comments and blank lines wait for what follows them.
function put(line) {
	if (options_only)
		return
	printf "%s", waiting
	waiting = ""
	print line
}

# "name += words" with those words only that have a source file, or ""
function with_sources(line,	head, n, word, i, kept) {
	match(line, /=[ \t]*/)
	head = substr(line, 1, RSTART + RLENGTH - 1)
	n = split(substr(line, RSTART + RLENGTH), word, /[ \t]+/)
	for (i = 1; i <= n; i++)
		if (has_source(word[i]))
			kept = kept (kept == "" ? "" : " ") word[i]
	return kept == "" ? "" : head kept
}

# The lines of a macro are printed when its last one is known.
function end_macro(	i) {
	sub(/[ \t]*\\$/, "", macro[lines])
	for (i = 1; i <= lines; i++)
		put(macro[i])
	in_macro = 0
}

/^config / { skip = !has_option($2) }
/^ifdef CONFIG_/ {
	skip = !has_option(substr($2, 8))
	if (skip)
		waiting = ""
}
skip {
	if (/^endif/)
		skip = 0
	next
}

/^(hyp-)?obj-[^ \t]*[ \t]*\+=/ || /^TEST_GEN_PROGS[A-Z_]*[ \t]*:?=/ {
	line = with_sources($0)
	if (line == "")
		next
	put(line)
	if (options_only && match(line, /CONFIG_[A-Z0-9_]+/))
		print substr(line, RSTART + 7, RLENGTH - 7)
	next
}

/^#define PKVM_IOMMU_KINDS\(/ {
	in_macro = 1
	lines = 0
}
in_macro {
	more = /\\$/
	if (!match($0, /^\tKIND\([A-Z0-9_]+/) ||
	    has_option("PKVM_IOMMU_" substr($0, 7, RLENGTH - 6)))
		macro[++lines] = $0
	if (!more)
		end_macro()
	next
}

/^$/ || /^#[^a-z]/ { waiting = waiting $0 "\n"; next }
{ put($0) }
END {
	sub(/\n+$/, "\n", waiting)
	if (!options_only && waiting != "\n")
		printf "%s", waiting
}
