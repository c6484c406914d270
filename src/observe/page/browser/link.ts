import type { Difference } from "../difference.ts";
import type { PageState } from "../state.ts";

/** How soon a stream that ended is opened again, and how long a page that nobody sees keeps its own. */
const AGAIN_MS = 2_000, UNSEEN_MS = 60_000;

/** What comes from the program. */
export interface LinkEvents {
  state(state: PageState): void;
  change(change: Difference): void;
  /** Whether something comes. */
  connected(on: boolean): void;
}

/** Reads the program's events until the page is closed, and again whenever they end. */
export function readEvents(events: LinkEvents): void {
  let source: EventSource | undefined, timer: ReturnType<typeof setTimeout> | undefined;
  const close = () => {
    source?.close();
    source = undefined;
    events.connected(false);
  };
  const open = () => {
    if (source !== undefined) return;
    source = new EventSource("events");
    source.addEventListener("state", ({ data }) => {
      events.connected(true);
      events.state(JSON.parse(data) as PageState);
    });
    source.addEventListener("change", ({ data }) => events.change(JSON.parse(data) as Difference));
    source.addEventListener("error", () => {
      // It would try again by itself, but not after an answer such as "too many viewers".
      close();
      clearTimeout(timer);
      if (!document.hidden) timer = setTimeout(open, AGAIN_MS);
    });
  };
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(close, UNSEEN_MS);
    else open();
  };
  document.addEventListener("visibilitychange", look);
  // One that is opened in the background is not seen either, and nobody tells it so.
  open();
  look();
}
