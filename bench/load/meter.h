/*
 * What the load measures with: clocks, CPU time of a process, and a histogram of latencies.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BUCKETS = 40 * 32 };

static uint64_t histogram[BUCKETS], slowest;

static uint64_t clock_ns(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t now(void) { return clock_ns(CLOCK_MONOTONIC); }

/* ns on a CPU of all threads of a process; 0 when it is gone, or 0 itself */
static uint64_t cpu_of(int pid) {
  clockid_t clock;
  return pid == 0 || clock_getcpuclockid(pid, &clock) ? 0 : clock_ns(clock);
}

/* ns that a process, 0 for this one, was ready to run and other programs had its CPU */
static int64_t waited(int pid) {
  char path[64], line[128] = "";
  int64_t time = 0;
  snprintf(path, sizeof path, pid ? "/proc/%d/schedstat" : "/proc/self/schedstat", pid);
  FILE *file = fopen(path, "r");
  if (file && fgets(line, sizeof line, file)) sscanf(line, "%*d %" SCNd64, &time);
  if (file) fclose(file);
  return time;
}

/* 32 buckets for each power of two: a relative error of at most 3 % */
static void record(uint64_t ns) {
  int power = ns < 32 ? 0 : 63 - __builtin_clzll(ns) - 5;
  size_t bucket = (size_t)power * 32 + (size_t)(ns >> power);
  histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  if (ns > slowest) slowest = ns;
}

static void forget(void) {
  memset(histogram, 0, sizeof histogram);
  slowest = 0;
}

static double percentile(double part) {
  uint64_t total = 0, seen = 0;
  for (size_t i = 0; i < BUCKETS; i++) total += histogram[i];
  for (size_t i = 0; i < BUCKETS; i++) {
    seen += histogram[i];
    if (total && (double)seen >= part * (double)total) {
      size_t power = i < 64 ? 0 : i / 32 - 1;
      return (double)((i - power * 32) << power) / 1000;
    }
  }
  return 0;
}

/* As part of the result, in microseconds. */
static void print_latencies(void) {
  printf("\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"slowest\":%.1f", percentile(0.5), percentile(0.99),
         percentile(0.999), (double)slowest / 1000);
}
