import process from "node:process";

/** What one stretch of load showed. */
export interface Measurement {
  readonly calls: number;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the whole process, user and system, also of its other threads (collector, compiler). */
  readonly cpuUsPerCall: number;
}

/** Calls as fast as they come back, `inFlight` at a time, for `ms` milliseconds. */
export async function closedLoop(call: () => Promise<void>, inFlight: number, ms: number): Promise<Measurement> {
  const latencies: number[] = [];
  const cpu = process.cpuUsage();
  const start = performance.now(), end = start + ms;
  let last = start;
  const worker = async () => {
    for (let from = performance.now(); from < end;) {
      await call();
      const now = performance.now();
      latencies.push(now - from);
      from = last = now;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return measurement(latencies, last - start, process.cpuUsage(cpu));
}

/**
 * Starts `rate` calls a second, however slowly they come back. A call's latency counts from the moment at which it was
 * due, so a client that stalls can't hide it. The loop spins to start calls on time: CPU time means nothing here.
 */
export async function openLoop(call: () => Promise<void>, rate: number, ms: number): Promise<Measurement> {
  const latencies: number[] = [];
  const start = performance.now();
  const wanted = Math.max(1, Math.round(rate * ms / 1_000));
  const calls: Promise<void>[] = [];
  const due = (i: number) => start + i * 1_000 / rate;
  const timed = async (i: number) => {
    await call();
    latencies.push(performance.now() - due(i));
  };
  while (calls.length < wanted) {
    for (const now = performance.now(); calls.length < wanted && due(calls.length) <= now;) {
      calls.push(timed(calls.length));
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await Promise.all(calls);
  return measurement(latencies, performance.now() - start, { user: NaN, system: NaN });
}

function measurement(latencies: number[], ms: number, cpu: { user: number; system: number }): Measurement {
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return {
    calls: latencies.length,
    callsPerSecond: latencies.length / ms * 1_000,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    cpuUsPerCall: (cpu.user + cpu.system) / latencies.length,
  };
}
