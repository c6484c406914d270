/**
 * In Workers a socket belongs to the request in which it was opened, and the runtime refuses its use in any other. Only
 * its text tells.
 */
const REFUSAL = /behalf of a different (request|Durable)/;

/** A byte stream can't be used because it belongs to another request of a Worker. */
export class ForeignSocketError extends Error {
  override readonly name: string = "ForeignSocketError";

  constructor(cause: Error) {
    const text = "the socket belongs to another request: use createWorkerTransport with forRequest(ctx), and " +
      "createWorkerEtcdRegistry, or keep transport and registry in a Durable Object (createBalancerObject)";
    super(text, { cause });
  }
}

/** A socket's error in words that say what to do, if it is the runtime's refusal of a foreign socket. */
export function namingForeignSocket(error: Error): Error {
  return REFUSAL.test(error.message) ? new ForeignSocketError(error) : error;
}
