/** What a registry tells its `onEvent` listener. */
export type RegistryEvent =
  /** The service's key stands in the registry; `again` if it had been lost. */
  | {
    readonly type: "registered";
    readonly service: string;
    readonly address: string;
    readonly key: string;
    readonly again: boolean;
  }
  /** Nothing succeeded for a TTL: the lease may be gone, only the server knows. */
  | { readonly type: "registration-suspect"; readonly service: string; readonly address: string; readonly cause: Error }
  /** The server said that the lease is gone; it registers again at once. */
  | { readonly type: "lease-lost"; readonly service: string; readonly address: string; readonly cause: Error }
  /** The key was gone although its lease stood (deleted by someone else); it is there again. */
  | { readonly type: "key-missing"; readonly service: string; readonly address: string; readonly cause: Error }
  /** Another program wrote the key: the last writer stands, and this one takes it back once the other is gone. */
  | { readonly type: "key-taken"; readonly service: string; readonly address: string; readonly cause: Error }
  /** A try to register failed; it goes on trying. */
  | {
    readonly type: "registration-failed";
    readonly service: string;
    readonly address: string;
    readonly cause: Error;
    readonly retryInMs: number;
  }
  /** A watch had to begin anew. */
  | { readonly type: "watch-restarted"; readonly service: string; readonly cause: Error; readonly retryInMs: number }
  /** The registry can't be reached: the last set stays in use. */
  | { readonly type: "set-stale"; readonly service: string; readonly cause: Error }
  /** The registry is back. */
  | { readonly type: "set-fresh"; readonly service: string; readonly endpoints: number }
  /** An entry of the registry can't be read and is left out of the set. */
  | { readonly type: "value-skipped"; readonly service: string; readonly key: string; readonly cause: Error }
  /** The registry refused the user's name, password or permission; retried slowly. */
  | { readonly type: "auth-refused"; readonly service?: string; readonly cause: Error; readonly retryInMs: number };
