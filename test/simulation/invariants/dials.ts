import type { Invariant } from "./invariant.ts";

/** How many connections a client may ask a server for within a minute: backoff begins with a second. */
const MOST = 90;

/** Backoff is obeyed: nobody dials in a loop. */
export const dialsAreBounded: Invariant = {
  name: "dials-are-bounded",
  watch(world) {
    const dials = new Map<string, number[]>();
    world.network.onDial = (from, address) => {
      const key = `${from} dials ${address}`, nowMs = world.time.now();
      const times = (dials.get(key) ?? []).filter((atMs) => atMs > nowMs - 60_000);
      times.push(nowMs);
      dials.set(key, times);
      if (times.length > MOST) world.broken("dials-are-bounded", `${key} ${times.length} times in a minute`);
    };
    return {};
  },
};
