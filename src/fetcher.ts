/**
 * A function like `fetch`. It is given what every platform takes: the method, headers, body and signal, and `redirect:
 * "manual"` where redirects are not followed, since workerd doesn't know `error`.
 */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** An object with a method like `fetch`, such as a Worker's binding. */
export interface Fetcher {
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** Whether it is a {@link Fetch} or a {@link Fetcher}. */
export function isFetch(value: unknown): value is Fetch | Fetcher {
  return typeof value === "function" || typeof (value as Partial<Fetcher> | null | undefined)?.fetch === "function";
}

/** Calls it: a function without `this`, which browsers and workerd insist on. Rejects if it throws. */
export async function callFetch(fetcher: Fetch | Fetcher, url: string, init: RequestInit): Promise<Response> {
  return await (typeof fetcher === "function" ? fetcher(url, init) : fetcher.fetch(url, init));
}
