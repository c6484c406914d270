import type { RetryBudget } from "../resolver/service-config.ts";

/** What a budget leaves out. */
export const DEFAULT_BUDGET: Required<RetryBudget> = { maxTokens: 1_000, tokenRatio: 0.1 };

/**
 * gRFC A6's retry throttling: a token bucket that all calls of a transport share, so that retries can't overwhelm
 * servers in trouble.
 */
export class RetryThrottle {
  #maxTokens = 1;
  #tokenRatio = 0;
  #tokens = 1;

  constructor(budget: RetryBudget) {
    this.configure(budget);
  }

  /** From now on another budget applies; the bucket keeps the share of tokens that it has left. */
  configure({ maxTokens = DEFAULT_BUDGET.maxTokens, tokenRatio = DEFAULT_BUDGET.tokenRatio }: RetryBudget): void {
    this.#tokens *= maxTokens / this.#maxTokens;
    this.#maxTokens = maxTokens;
    this.#tokenRatio = tokenRatio;
  }

  /** Whether more than half of the tokens are left. */
  get allows(): boolean {
    return this.#tokens > this.#maxTokens / 2;
  }

  /** A call succeeded. */
  succeeded(): void {
    if (this.#tokens < this.#maxTokens) this.#tokens = Math.min(this.#maxTokens, this.#tokens + this.#tokenRatio);
  }

  /** An attempt failed with a code after which calls are retried. */
  failed(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }
}
