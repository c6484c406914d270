import type { EtcdDriver, WatchResponse } from "../../src/etcd/driver/driver.ts";

/** A driver whose watches a test can cut, as a network does. */
export interface CutDriver extends EtcdDriver {
  /** How many streams of watches were opened. */
  readonly watches: number;
  /** Cuts the open watches and lets none be opened until `mend`. */
  cut(): void;
  mend(): void;
  /** Cuts the next watch behind this many responses with events. */
  cutAfter(responses: number): void;
}

export function cutDriver(driver: EtcdDriver): CutDriver {
  let down = false;
  let watches = 0;
  let left = Infinity;
  const open = new Set<() => void>();
  const cutError = () => new Error("the test cut the connection");
  return {
    ...driver,
    get watches() {
      return watches;
    },
    cut() {
      down = true;
      for (const end of [...open]) end();
    },
    mend: () => void (down = false),
    cutAfter: (responses) => void (left = responses),
    watch(call) {
      watches++;
      const cut = new AbortController();
      const stream = driver.watch({ ...call, signal: AbortSignal.any([call.signal, cut.signal]) });
      async function* responses(): AsyncGenerator<WatchResponse> {
        if (down) throw cutError();
        const end = () => cut.abort(cutError());
        open.add(end);
        try {
          for await (const response of stream.responses) {
            yield response;
            if (response.events.length > 0 && --left === 0) throw cutError();
          }
        } finally {
          open.delete(end);
          end();
        }
      }
      return { ...stream, responses: responses() };
    },
  };
}
