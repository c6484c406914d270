import type { Duplex } from "./duplex.ts";
import { closedWhileOpened, socketError } from "./socket-error.ts";
import type { SocketProgress } from "./socket-error.ts";

/**
 * Waits until a socket is open, and passes it to `use` within the same event, so that none of its events is missed.
 * Rejects when it can't be opened, when `use` throws, or when `signal` aborts; the socket, and the one `under` it, is
 * then destroyed.
 */
export function opened<S extends Duplex, T>(
  connect: () => S,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
  use: (socket: S) => T,
  under?: Duplex,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      under?.destroy();
      return reject(signal.reason);
    }
    let socket: S;
    try {
      socket = connect();
    } catch (error) {
      under?.destroy();
      return reject(error);
    }
    let progress: SocketProgress = under === undefined ? "dialling" : "handshake";
    const connected = () => progress = "handshake";
    const giveUp = (reason: unknown) => {
      done();
      // Errors after the first have no one to go to.
      socket.on("error", () => {});
      socket.destroy();
      under?.destroy();
      reject(reason);
    };
    const abort = () => giveUp(signal.reason);
    const fail = (error: Error) => giveUp(socketError(error, progress));
    const ended = () => giveUp(closedWhileOpened(progress));
    const succeed = () => {
      done();
      try {
        resolve(use(socket));
      } catch (error) {
        giveUp(error);
      }
    };
    const done = () => {
      signal.removeEventListener("abort", abort);
      socket.off("error", fail).off("close", ended).off("connect", connected).off(event, succeed);
    };
    signal.addEventListener("abort", abort);
    if (event === "secureConnect") socket.on("connect", connected);
    socket.on("error", fail).on("close", ended).on(event, succeed);
  });
}
