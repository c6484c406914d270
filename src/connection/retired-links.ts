import type { Link } from "./link.ts";
import { closeLink, giveBack } from "./make-link.ts";

/** Links that connections no longer use, while calls in flight may finish on them. */
export class RetiredLinks {
  readonly #links = new Set<Link>();

  /** Unary calls in flight have `graceMs` to finish, and streams `streamGraceMs`. */
  add(link: Link, graceMs: number, streamGraceMs: number): void {
    this.#links.add(link);
    giveBack(link);
    void closeLink(link, graceMs, streamGraceMs).then(() => this.#links.delete(link));
  }

  /** From now on, calls have `graceMs` to finish. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([...this.#links].map((link) => closeLink(link, graceMs, graceMs)));
  }
}
