import type net from "node:net";
import { CONNECTION_PREFACE } from "../http2/wire/frame.ts";

/** This many bytes tell HTTP/2's preface from the methods of HTTP/1.1. */
const ENOUGH = 3;

/**
 * Waits for a socket's first bytes, and leaves them there. Reports whether they are HTTP/2's, or undefined if the socket
 * ended first. The socket is then paused.
 */
export function firstBytes(socket: net.Socket, done: (isHttp2: boolean | undefined) => void): void {
  let bytes: Uint8Array = new Uint8Array(0);
  const finish = (isHttp2: boolean | undefined) => {
    socket.off("data", read).off("end", ended).off("close", ended);
    socket.pause();
    if (bytes.length > 0) socket.unshift(bytes);
    done(isHttp2);
  };
  const ended = () => finish(undefined);
  const read = (chunk: Uint8Array) => {
    bytes = bytes.length === 0 ? chunk : concat(bytes, chunk);
    const same = bytes.subarray(0, ENOUGH).every((byte, at) => byte === CONNECTION_PREFACE[at]);
    if (!same) finish(false);
    else if (bytes.length >= ENOUGH) finish(true);
  };
  socket.on("data", read).on("end", ended).on("close", ended);
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
