/** What sockets of Node's kind have in common, as far as it is used here. Any `Duplex` of `node:stream` is one. */
export interface Duplex {
  readonly writable: boolean;
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  readonly errored: Error | null;
  on(event: "error", listener: (error: Error) => void): this;
  on(event: "data", listener: (chunk: Uint8Array) => void): this;
  on(event: string, listener: () => void): this;
  off(event: "error", listener: (error: Error) => void): this;
  off(event: string, listener: () => void): this;
  write(bytes: Uint8Array, callback: (error?: Error | null) => void): boolean;
  end(callback?: () => void): unknown;
  destroy(error?: Error): unknown;
  pause(): unknown;
  resume(): unknown;
  // What a socket has beyond a plain duplex stream.
  setNoDelay?(on?: boolean): unknown;
  ref?(): unknown;
  unref?(): unknown;
  destroySoon?(): void;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  // What a socket of TLS has.
  readonly encrypted?: boolean;
  getCipher?(): { readonly name?: string; readonly standardName?: string } | undefined;
}
