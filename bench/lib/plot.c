// SPDX-License-Identifier: MIT
/* Scripts for gnuplot. */
#include "bench/lib/plot.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define MAX_COLUMNS 3

static void write_data(FILE *f, const struct plot_panel *p)
{
	for (unsigned int s = 0; s < p->nr_series; s++) {
		fprintf(f, "$s%u << END\n", s);
		for (unsigned int i = 0; i < p->series[s].nr; i++)
			fprintf(f, "%g %g\n", p->series[s].x[i], p->series[s].y[i]);
		fprintf(f, "END\n");
	}
}

static void write_bars(FILE *f, const struct plot_panel *p)
{
	fprintf(f, "set style data histograms\nset style histogram rowstacked\n"
		   "set style fill solid 0.8\nset boxwidth 0.6\nset xtics rotate by -30 (");
	for (unsigned int i = 0; i < p->series[0].nr && i < PLOT_MAX_SERIES; i++)
		fprintf(f, "%s\"%s\" %u", i ? ", " : "", p->labels[i], i);
	fprintf(f, ")\nplot ");
	for (unsigned int s = 0; s < p->nr_series; s++)
		fprintf(f, "%s$s%u using 2 title \"%s\"", s ? ", " : "", s, p->series[s].title);
	fputc('\n', f);
}

static void write_lines(FILE *f, const struct plot_panel *p)
{
	fprintf(f, "set xtics norotate autofreq\nplot ");
	for (unsigned int s = 0; s < p->nr_series; s++)
		fprintf(f, "%s$s%u with %s lw 2 title \"%s\"", s ? ", " : "", s,
			p->series[s].nr < 20 ? "linespoints" : "lines", p->series[s].title);
	fputc('\n', f);
}

static int write_script(const char *path, const char *dir, const char *name,
			const struct plot_panel *panels, unsigned int nr)
{
	unsigned int columns = nr < MAX_COLUMNS ? nr : MAX_COLUMNS;
	unsigned int rows = DIV_ROUND_UP(nr, MAX_COLUMNS);
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	fprintf(f, "set terminal svg size %u,%u background \"white\"\nset output \"%s/%s.svg\"\n"
		   "set multiplot layout %u,%u\nset grid\n",
		columns * 520, rows * 400, dir, name, rows, columns);
	for (unsigned int i = 0; i < nr; i++) {
		const struct plot_panel *p = &panels[i];

		write_data(f, p);
		fprintf(f, "unset logscale\nset key above maxcols 2\nset title \"%s\"\n"
			   "set xlabel \"%s\"\nset ylabel \"%s\"\nset yrange [0:*]\n%s\n",
			p->title, p->xlabel, p->ylabel, p->settings ? p->settings : "");
		(p->bars ? write_bars : write_lines)(f, p);
	}
	fprintf(f, "unset multiplot\n");
	return fclose(f) ? -errno : 0;
}

static int draw(char *path)
{
	char program[] = "gnuplot", *argv[] = { program, path, NULL };
	int status;
	pid_t pid;
	int err = posix_spawnp(&pid, program, NULL, NULL, argv, environ);

	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status ? -EIO : 0;
}

int plot_write(const char *dir, const char *name, const struct plot_panel *panels,
	       unsigned int nr)
{
	char path[512];
	int err;

	if (snprintf(path, sizeof(path), "%s/%s.gp", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	err = write_script(path, dir, name, panels, nr);
	return err ? err : draw(path);
}
