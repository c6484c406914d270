import { textOf } from "../../error-text.ts";
import { shownText } from "../../shown-text.ts";
import { unreadable } from "./endpoint-rows.ts";
import { foreignState } from "./foreign-state.ts";
import type { PageState } from "./state.ts";

/** How long a page may take to answer, and how much. */
const TIMEOUT_MS = 2_000, MOST_BYTES = 16_777_216;

/** The pages of other programs, which are read while somebody looks at this one. */
export class OtherPages {
  readonly #pages: readonly OtherPage[];

  /** @throws TypeError for what is no URL */
  constructor(urls: readonly string[]) {
    this.#pages = urls.map((url, i) => new OtherPage(url, `p${i}`));
  }

  /** What they said last. Asks those that are not being asked for what they say now. */
  states(nowMs: number): readonly Partial<PageState>[] {
    return this.#pages.map((page) => {
      void page.ask(nowMs);
      return page.state;
    });
  }
}

class OtherPage {
  state: Partial<PageState> = {};
  readonly #url: URL;
  /** Without user info. */
  readonly #program: string;
  readonly #prefix: string;
  #asking = false;

  constructor(url: string, prefix: string) {
    const at = new URL(url);
    this.#program = shownText(`${at.origin}${at.pathname}`);
    this.#url = new URL("snapshot", at);
    this.#prefix = prefix;
  }

  /** Never rejects. */
  async ask(nowMs: number): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(this.#url, { redirect: "error", signal });
      const text = await textFrom(response);
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      this.state = foreignState(JSON.parse(text), { program: this.#program, prefix: this.#prefix, nowMs });
    } catch (error) {
      const problem = { ...unreadable(new Error(`can't be read: ${causeOf(error)}`)), program: this.#program };
      this.state = { services: { [this.#prefix]: problem } };
    } finally {
      this.#asking = false;
    }
  }
}

/** "fetch failed" says nothing: its cause does. */
function causeOf(error: unknown): string {
  const { cause } = (error ?? {}) as { readonly cause?: unknown };
  return textOf(cause instanceof Error ? cause : error);
}

async function textFrom({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "", size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error(`its state takes more than ${MOST_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}
