# SPDX-License-Identifier: GPL-2.0
# Draws the chart of bench.sh: a group of bars for each size, one bar for each series,
# map below unmap, relative to the first series. Input:
#	TITLE
#	series|NAME ...
#	SIZE MAP UNMAP MAP UNMAP ...		guest instructions, by series
#	target|SIZE NUMBER			of the second series
# The colours suit a light and a dark page.

function px(ratio)	{ return bottom - ratio * scale }
function text(x, y, class, what) {
	printf "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, y, class, what
}
function bar(x, from, to, class) {
	printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" class=\"%s\"/>\n",
		x, px(to), wide, (to - from) * scale, class
}

BEGIN { wide = 34; left = 64; top = 92; height = 270 }
NR == 1			{ title = $0; next }
sub(/^series\|/, "")	{ n = split($0, name, "|"); next }
sub(/^target\|/, "")	{ target[$1] = $2; next }
{
	size[++sizes] = $1
	for (i = 1; i <= n; i++) {
		map[sizes, i] = $(2 * i) / ($2 + $3)
		both[sizes, i] = ($(2 * i) + $(2 * i + 1)) / ($2 + $3)
		if (both[sizes, i] > most)
			most = both[sizes, i]
	}
}
END {
	step = most > 2 ? 0.5 : 0.25
	most = (int(most / step) + 1) * step
	scale = height / most
	bottom = top + height
	group = n * (wide + 2) + 36
	width = left + sizes * group + 20
	print "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
	print "<!-- SPDX-License-Identifier: GPL-2.0 -->"
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" " \
		"width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"13\">\n",
		width, bottom + 52, width, bottom + 52
	print "<style>"
	print ".page { fill: #fff } .t { fill: #222 } .m { fill: #222; text-anchor: middle }"
	print ".v { fill: #222; text-anchor: middle; font-size: 11px;"
	print "stroke: #fff; stroke-width: 3px; paint-order: stroke }"
	print ".e { fill: #222; text-anchor: end } .h { fill: #222; font-size: 15px; font-weight: bold }"
	print ".grid { stroke: #ccc } .one { stroke: #666 } .target { stroke: #c0392b; stroke-width: 2.5 }"
	# A hue for each series, darker for map.
	print ".s1m { fill: #6b7280 } .s1u { fill: #aab0ba } .s2m { fill: #1d63c8 } .s2u { fill: #7fb0f0 }"
	print ".s3m { fill: #9a6a16 } .s3u { fill: #dfb566 } .s4m { fill: #1c7f5a } .s4u { fill: #74c9a6 }"
	print ".s5m { fill: #7b3fa0 } .s5u { fill: #c39bd8 }"
	print "@media (prefers-color-scheme: dark) {"
	print ".page { fill: #16181d } .t, .m, .v, .e, .h { fill: #e4e6ea } .v { stroke: #16181d }"
	print ".grid { stroke: #3a3e46 } .one { stroke: #aaa } .target { stroke: #ff7a6b } }"
	print "</style>"
	printf "<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", width, bottom + 52
	text(16, 26, "h", title ": map (dark) and unmap (light)")

	for (i = 1; i <= n; i++) {
		y = 46 + 16 * int((i - 1) / 2)
		x = left + (i % 2 ? 0 : 190)
		printf "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"11\" class=\"s%dm\"/>\n", x, y, i
		printf "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"11\" class=\"s%du\"/>\n", x + 12, y, i
		text(x + 30, y + 10, "t", name[i])
	}
	x = left + 400
	printf "<path d=\"M%d %dh24\" class=\"target\"/>\n", x, 52
	text(x + 30, 56, "t", "target")

	for (r = 0; r <= most + 0.001; r += step) {
		printf "<path d=\"M%d %.1fH%d\" class=\"%s\"/>\n", left, px(r), width - 16,
			r == 1 ? "one" : "grid"
		text(left - 8, px(r) + 4, "e", sprintf("%.2f", r))
	}
	printf "<text transform=\"translate(18 %d) rotate(-90)\" class=\"m\">guest instructions, %s = 1</text>\n",
		top + height / 2, name[1]
	for (s = 1; s <= sizes; s++) {
		x0 = left + (s - 1) * group + 18
		for (i = 1; i <= n; i++) {
			x = x0 + (i - 1) * (wide + 2)
			bar(x, 0, map[s, i], "s" i "m")
			bar(x, map[s, i], both[s, i], "s" i "u")
		}
		if (size[s] in target)
			printf "<path d=\"M%.1f %.1fh%d\" class=\"target\"/>\n", x0 + wide + 2 - 3,
				px(target[size[s]]), wide + 6
		for (i = 2; i <= n; i++)
			text(x0 + (i - 0.5) * (wide + 2) - 1, px(both[s, i]) - 5, "v",
				sprintf("%.2f", both[s, i]))
		label = size[s]
		if (sub(/^sg-/, "", label))
			label = label " pages, SG"
		text(x0 + n * (wide + 2) / 2, bottom + 18, "m", label)
	}
	text(left + (width - left) / 2, bottom + 40, "m", "mapped at once")
	print "</svg>"
}
