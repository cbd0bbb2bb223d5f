# SPDX-License-Identifier: GPL-2.0
# Sourced by run.sh: the checks that need no guest. Each is a TAP row.
# shellcheck shell=sh

# The kernel's own checkers run in the patched tree, on the copies of our
# files there, so that they know its headers and its MAINTAINERS.
our_c_files() {
	cd "$ROOT" || return 1
	for oc in arch drivers include tools/testing/selftests; do
		[ ! -d $oc ] || find $oc -name '*.[chS]'
	done | sort
}

check_footprint() { "$TOOLS/footprint.sh"; }

check_uapi_doc() {
	"$(tree)/scripts/kernel-doc" -none -Wall -Werror "$ROOT"/include/uapi/linux/pkvm_iommu*.h
}

check_kernel_doc() {
	our_c_files >"$LOGS/files"
	[ -s "$LOGS/files" ] || { echo "no files"; return 1; }
	# The names of our files have no blanks.
	# shellcheck disable=SC2046
	(cd "$ROOT" && "$(tree)/scripts/kernel-doc" -none -Werror $(cat "$LOGS/files"))
}

# style FILES-PATTERN TYPES: checkpatch without these message types.
style() {
	our_c_files | grep -E "$1" >"$LOGS/files"
	[ -s "$LOGS/files" ] || { echo "no files"; return 1; }
	cd "$(tree)" || return 1
	# shellcheck disable=SC2046
	perl scripts/checkpatch.pl --strict --terse --show-types --no-summary \
		--ignore "$2" -f $(cat "$LOGS/files")
}

# Macros that replace functions which EL2 lacks ignore or repeat their arguments. BUG
# is the only answer to a broken invariant of EL2. Registers of the SMMUv2 have the names of the
# architecture, as in the stock driver's header: sCR0.
KERNEL_TYPES=MACRO_ARG_UNUSED,MACRO_ARG_REUSE,AVOID_BUG,CAMELCASE
check_style() { style '^(arch|drivers|include)/' "$KERNEL_TYPES"; }

# Programs in userspace do not have the kernel's macros.
USER_TYPES="PREFER_DEFINED_ATTRIBUTE_MACRO,BIT_MACRO,ARRAY_SIZE,VOLATILE,\
CAMELCASE,NEW_TYPEDEFS,EMBEDDED_FUNCTION_NAME,MACRO_ARG_REUSE"
check_user_style() { style '^tools/' "$USER_TYPES"; }

# New files in a patch need no MAINTAINERS entry here: one of the patches adds it.
check_patch_style() {
	set -- "$ROOT/patches/$SERIES"/*.patch
	[ -e "$1" ] || { echo "no patches"; return 1; }
	cd "$(tree)" || return 1
	perl scripts/checkpatch.pl --strict --terse --show-types --no-summary \
		--ignore FILE_PATH_CHANGES "$@"
}

check_series() {
	command -v git >/dev/null || { echo "git is not installed"; return 1; }
	"$TOOLS/series.sh" check
}

check_shell() {
	csh_rc=0
	for csh in "$TOOLS"/*.sh "$RUNNER"/*.sh "$TOOLS"/init "$TOOLS"/devices "$TOOLS"/kunit \
		   "$TOOLS"/devlib "$TOOLS"/soak "$TOOLS"/status "$TOOLS"/groups "$TOOLS"/trace \
		   "$TOOLS"/appears "$TOOLS"/banks "$TOOLS"/vmstart \
		   "$TOOLS"/vfio/vfio; do
		sh -n "$csh" || csh_rc=1
	done
	return $csh_rc
}

# Fails for files without a licence tag in their first lines.
check_spdx() {
	cd "$ROOT" || return 1
	find . \( -path ./.git -o -path ./build \) -prune -o -type f \
		\( -name '*.[chS]' -o -name '*.sh' -o -name Makefile -o -name Kconfig \) \
		-print | while read -r cs; do
		head -n 3 "$cs" | grep -q 'SPDX-License-Identifier: GPL-2.0' || echo "$cs"
	done >"$LOGS/spdx"
	cat "$LOGS/spdx"
	[ ! -s "$LOGS/spdx" ]
}

# Make a small tree of the files that the patches change, in their original state.
small_tree() {
	rm -rf "$1"
	mkdir -p "$1"
	cp "$(tree)/Makefile" "$1/"
	[ ! -d "$(tree)/.pkvm-iommu/orig" ] || cp -R "$(tree)/.pkvm-iommu/orig/." "$1/"
}

# snapshot DIR: names, contents and times, to detect any change.
snapshot() {
	(cd "$1" && find . -type f -printf '%p %T@\n' | sort &&
		find . -type f -exec cksum {} + | sort)
}

check_install() {
	small_tree "$LOGS/small"
	"$TOOLS/tree.sh" install "$LOGS/small" || return 1
	# Every file is there, and a second time changes nothing.
	our_c_files >"$LOGS/files"
	while read -r f; do
		cmp "$ROOT/$f" "$LOGS/small/$f" || return 1
	done <"$LOGS/files"
	snapshot "$LOGS/small" >"$LOGS/snap1"
	"$TOOLS/tree.sh" install "$LOGS/small" || return 1
	snapshot "$LOGS/small" | diff "$LOGS/snap1" - || return 1
	# The same in a tree whose owner used patch(1).
	rm -rf "$LOGS/small/.pkvm-iommu"
	"$TOOLS/tree.sh" install "$LOGS/small" || return 1
	snapshot "$LOGS/small" | grep -v pkvm-iommu/ >"$LOGS/snap2"
	grep -v pkvm-iommu/ "$LOGS/snap1" | diff - "$LOGS/snap2"
}

# refused TEXT: check that the small tree is refused with TEXT in the message, and
# does not change.
refused() {
	snapshot "$LOGS/small" >"$LOGS/snap1"
	if "$TOOLS/tree.sh" install "$LOGS/small" >"$LOGS/refused" 2>&1; then
		echo "not refused"
		return 1
	fi
	cat "$LOGS/refused"
	grep -q "$1" "$LOGS/refused" || return 1
	snapshot "$LOGS/small" | diff "$LOGS/snap1" -
}

check_refuse_version() {
	small_tree "$LOGS/small"
	sed -i 's/^PATCHLEVEL = .*/PATCHLEVEL = 2/' "$LOGS/small/Makefile"
	refused 'is Linux 7\.2'
}

check_refuse_changed() {
	small_tree "$LOGS/small"
	# Change the code around the last patch.
	for cr in "$ROOT/patches/$SERIES"/*.patch; do :; done
	cr=$(sed -n 's|^--- a/||p' "$cr" | head -n 1)
	[ -n "$cr" ] || { echo "no patches"; return 1; }
	sed -i 's/$/ \/\/ changed/' "$LOGS/small/$cr"
	refused 'does not apply'
}

# Every attack and mutant has to be listed with the protection that it tests.
check_evidence() {
	ce_docs=$ROOT/Documentation/virt/kvm/arm
	ce_rc=0
	ce_n=0
	for ce_name in $(sed -n 's/^\([a-z0-9-]*\)	.*/\1/p' "$RUNNER/mutants.list") \
		$(sed -n 's/^\([a-z0-9-]*\)  *[1-4]  .*/\1/p' "$ce_docs/pkvm-iommu.rst"); do
		ce_n=$((ce_n + 1))
		grep -qE "(^|[ .])$ce_name([ .]|\$)" "$ce_docs/pkvm-iommu-evidence.rst" || {
			echo "$ce_name is not in pkvm-iommu-evidence.rst"
			ce_rc=1
		}
	done
	[ $ce_n -gt 100 ] || { echo "only $ce_n attacks and mutants found"; ce_rc=1; }
	return $ce_rc
}

# Each mutant still changes the file that it breaks.
check_mutants() {
	cm_src=$ROOT/arch/arm64/kvm/hyp/nvhe/iommu
	cm_rc=0
	while IFS='	' read -r cm_name cm_file cm_expr; do
		case $cm_name in "#"* | "") continue ;; esac
		if sed "$cm_expr" "$cm_src/$cm_file" | cmp -s - "$cm_src/$cm_file"; then
			echo "$cm_name: the expression changes nothing in $cm_file"
			cm_rc=1
		fi
	done <"$RUNNER/mutants.list"
	return $cm_rc
}

CORE_OBJ=$OBJ/arch/arm64/kvm/hyp/nvhe/iommu

check_one_way() { "$TOOLS/one-way.sh" "$CORE_OBJ"; }

# The same check on objects in which the lowest file calls the highest.
check_one_way_fails() {
	rm -rf "$LOGS/one-way"
	cp -R "$CORE_OBJ" "$LOGS/one-way"
	echo 'bl handle___pkvm_iommu_call' |
		"${CROSS_COMPILE}as" -o "$LOGS/one-way/call.o" - || return 1
	"${CROSS_COMPILE}ld" -r -o "$LOGS/one-way/registry.nvhe.o" \
		"$CORE_OBJ/registry.nvhe.o" "$LOGS/one-way/call.o" || return 1
	if "$TOOLS/one-way.sh" "$LOGS/one-way" >"$LOGS/one-way/out"; then
		echo "a call upwards is not noticed"
		return 1
	fi
	grep -qF 'registry.c uses handle___pkvm_iommu_call of hypercall.c' "$LOGS/one-way/out"
}

# Code lines of a file: neither blank nor comment.
code_lines() {
	"${CROSS_COMPILE}gcc" -fpreprocessed -dD -E -P "$1" 2>/dev/null | grep -c .
}

# check_size LIMIT FILE...: no file has more code lines; prints the largest.
check_size() {
	cz_limit=$1
	shift
	for cz in "$@"; do
		cz_n=$(code_lines "$cz")
		printf '%5d  %s\n' "$cz_n" "${cz#"$ROOT"/}"
	done | sort -rn >"$LOGS/size"
	head -n 3 "$LOGS/size"
	[ -s "$LOGS/size" ] && awk -v limit="$cz_limit" '$1 > limit || !$1 { bad = 1 } END { exit bad }' "$LOGS/size"
}

check_sizes() {
	cs=$ROOT/arch/arm64/kvm/hyp/nvhe/iommu
	check_size 600 "$cs"/*.c "$cs"/backends/*.c || return 1
	# The folder of init modules may be anywhere below.
	# shellcheck disable=SC2046
	check_size 500 $(find "$ROOT/drivers/iommu/pkvm" -name '*.c')
}

# The two test trees must not have files of the same name, so that a name in a message
# or a document means one file.
check_test_names() {
	cd "$ROOT/tools/testing" || return 1
	find pkvm_iommu selftests/pkvm_iommu -name build -prune -o -type f \
		! -name Makefile ! -name .gitignore -print >"$LOGS/files"
	[ -s "$LOGS/files" ] || { echo "no files"; return 1; }
	sed 's|.*/||' "$LOGS/files" | sort | uniq -d >"$LOGS/names"
	grep -F -f "$LOGS/names" "$LOGS/files"
	[ ! -s "$LOGS/names" ] || return 1
	# A configuration's logs have its name.
	sed -n 's/^\([a-z][^| ]*\) *|.*/\1/p' "$TOOLS/configs" | sort | uniq -d >"$LOGS/names"
	cat "$LOGS/names"
	[ ! -s "$LOGS/names" ]
}

# A comment begins with the thing that it describes, not with a relative clause.
check_comments() {
	our_c_files >"$LOGS/files"
	cd "$ROOT" || return 1
	find tools/testing/pkvm_iommu -name build -prune -o -name '*.[chS]' -print >>"$LOGS/files"
	# shellcheck disable=SC2046
	awk '{
		text = ""
		if (opened)
			text = $0
		opened = $0 ~ /^[ \t]*\/\*+[ \t]*$/
		if (match($0, /(\/\*+|\/\/)[ \t]*[A-Za-z]/))
			text = substr($0, RSTART + RLENGTH - 1)
		sub(/^[ \t]*\*?[ \t]*/, "", text)
		text = tolower(text)
		if (text ~ /^((of )?what|whether|those|that which|the one that)([^a-z]|$)/)
			print FILENAME ":" FNR ": " $0
	}' $(cat "$LOGS/files") >"$LOGS/comments"
	cat "$LOGS/comments"
	[ ! -s "$LOGS/comments" ]
}

# The tables of messages in pkvm-iommu.rst have an entry for each message of the frontend and of
# the init modules, and no other. "..." in an entry stands for any text.
check_messages() {
	cd "$ROOT" || return 1
	find drivers/iommu/pkvm -name '*.c' ! -name '*test*' -exec awk '
		/(pr|dev)_(err|warn)(_probe)?\(|pkvm_iommu_hole\(/ { call = 3 }
		(call-- > 0 || /^\t\t\[PKVM_IOMMU_REFUSE|refused_for = "|(why\]|res\[0\]\)) : "/ ||
		 FILENAME ~ /init/ && /return "/) && match($0, /".*"/) {
			print substr($0, RSTART + 1, RLENGTH - 2)
			call = 0
		}' {} + >"$LOGS/messages"
	awk '
		FNR == 1 { file++ }
		file == 1 && /^(Messages of refusal|Other messages)$/ { table = 1; next }
		file == 1 && /^=====/ { table = 0 }
		file == 1 && table && /^``/ {
			n = split($0, head, "``")
			for (i = 2; i <= n; i += 2)
				entry[head[i]] = 0
		}
		file == 2 {
			found = 0
			for (e in entry) {
				n = split(e, part, " ?[.][.][.] ?")
				for (i = 1; i <= n && index($0, part[i]); i++)
					;
				if (i > n) {
					entry[e]++
					found = 1
				}
			}
			# A message of values only is that of its caller.
			text = $0
			gsub(/%[^ ]*|\\n/, "", text)
			if (!found && text ~ /[a-z]/) {
				print "not in pkvm-iommu.rst: " $0
				bad = 1
			}
		}
		END {
			for (e in entry)
				if (!entry[e]) {
					print "only in pkvm-iommu.rst: " e
					bad = 1
				}
			exit bad
		}' Documentation/virt/kvm/arm/pkvm-iommu.rst "$LOGS/messages"
}

check_rows() {
	row "calls between the files of the EL2 core run one way" check_one_way || :
	row "a call upwards in the EL2 core is noticed" check_one_way_fails || :
	row "no file of EL2 above 600 code lines, none of EL1 above 500" check_sizes || :
	row "footprint in existing kernel files" check_footprint || :
	row "make install: complete, and idempotent" check_install || :
	row "make install refuses another version, and changes nothing" check_refuse_version || :
	row "make install refuses changed code, and changes nothing" check_refuse_changed || :
	row "kernel-doc -Wall -Werror on the hypercall contract" check_uapi_doc || :
	row "kernel-doc -Werror on all files" check_kernel_doc || :
	row "checkpatch --strict on the kernel's files" check_style || :
	row "checkpatch --strict on the test programs" check_user_style || :
	row "checkpatch --strict on the patches" check_patch_style || :
	row "the series applies to Linux $SERIES, and gives what make install gives" check_series || :
	row "shell scripts parse" check_shell || :
	row "SPDX tags" check_spdx || :
	row "no two test files, or configurations, have the same name" check_test_names || :
	row "comments begin with the thing that they describe" check_comments || :
	row "every message is in the tables of pkvm-iommu.rst, and no other" check_messages || :
	row "every attack and mutant belongs to a protection" check_evidence || :
	row "every mutant changes the file that it breaks" check_mutants || :
	rm -rf "$LOGS/small" "$LOGS/one-way"
}
