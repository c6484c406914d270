/**
 * Calls an event listener. An error that it throws is printed and can't reach the library's own loops.
 *
 * So that `onEvent: console.log` reads well, an event prints the message of its `cause` as `reason` instead of the
 * error with all its stacks; `cause` itself can still be read.
 */
export function emit<E extends object>(listener: ((event: E) => void) | undefined, event: E): void {
  if (listener === undefined) return;
  const { cause, ...told } = event as E & { readonly cause?: Error };
  if (cause !== undefined) {
    Object.assign(told, { reason: cause.message });
    Object.defineProperty(told, "cause", { value: cause, enumerable: false });
  }
  notify("onEvent", listener, told as unknown as E);
}

/**
 * Calls a user's listener. Errors that it throws, or that an async one rejects with, are printed and otherwise ignored.
 */
export function notify<T>(name: string, listener: (value: T) => unknown, value: T): void {
  const print = (error: unknown) => console.error(`connect-lb: an ${name} listener threw`, error);
  try {
    const result = listener(value);
    if (result instanceof Promise) result.catch(print);
  } catch (error) {
    print(error);
  }
}
