// Latencies in nanoseconds, log-linear: 128 steps per power of two, so a percentile is right to 0.8 %, up to 2^40 ns.
#include <stdint.h>

enum { STEP_BITS = 7, OCTAVES = 40 - STEP_BITS, SLOTS = (OCTAVES + 1) << STEP_BITS };

struct histogram {
  uint64_t count, sum, max;
  uint64_t slot[SLOTS];
};

static unsigned histogram_slot(uint64_t value) {
  if (value < (1u << STEP_BITS)) return (unsigned)value;
  if (value >= 1ull << 40) return SLOTS - 1;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - STEP_BITS;
  return ((shift + 1) << STEP_BITS) + (unsigned)(value >> shift) - (1u << STEP_BITS);
}

static uint64_t histogram_value(unsigned slot) {
  unsigned shift = slot >> STEP_BITS, step = slot & ((1u << STEP_BITS) - 1);
  return shift == 0 ? step : (uint64_t)((1u << STEP_BITS) + step) << (shift - 1);
}

static void histogram_add(struct histogram *histogram, uint64_t value) {
  histogram->count++;
  histogram->sum += value;
  if (value > histogram->max) histogram->max = value;
  histogram->slot[histogram_slot(value)]++;
}

static uint64_t histogram_percentile(const struct histogram *histogram, double fraction) {
  uint64_t rank = (uint64_t)(fraction * (double)histogram->count), seen = 0;
  for (unsigned slot = 0; slot < SLOTS; slot++) {
    seen += histogram->slot[slot];
    if (seen > rank) return histogram_value(slot);
  }
  return histogram->max;
}
