/** The events of a registry, passed to its `onEvent` listener. */
export type RegistryEvent =
  /** The server is registered; `again` if its entry had been lost. */
  | {
    readonly type: "registered";
    readonly service: string;
    readonly address: string;
    readonly key: string;
    readonly again: boolean;
  }
  /** Nothing has succeeded for a TTL: the lease may be gone, but only the server knows. */
  | { readonly type: "registration-suspect"; readonly service: string; readonly address: string; readonly cause: Error }
  /** The server reported that the lease is gone; it is registered again immediately. */
  | { readonly type: "lease-lost"; readonly service: string; readonly address: string; readonly cause: Error }
  /** The key was gone although its lease was alive (another program deleted it); it has been put again. */
  | { readonly type: "key-missing"; readonly service: string; readonly address: string; readonly cause: Error }
  /**
   * Another program wrote the key and keeps it: the last writer wins. It is put again once the other's entry is gone. With
   * `takeOver: false` it is the other's already before the first put.
   */
  | { readonly type: "key-taken"; readonly service: string; readonly address: string; readonly cause: Error }
  /** An attempt to register failed; further attempts follow. */
  | {
    readonly type: "registration-failed";
    readonly service: string;
    readonly address: string;
    readonly cause: Error;
    readonly retryInMs: number;
  }
  /** A watch had to be restarted. */
  | { readonly type: "watch-restarted"; readonly service: string; readonly cause: Error; readonly retryInMs: number }
  /** The registry can't be reached: the last set stays in use. */
  | { readonly type: "set-stale"; readonly service: string; readonly cause: Error }
  /** The registry can be reached again. */
  | { readonly type: "set-fresh"; readonly service: string; readonly endpoints: number }
  /** An entry of the registry can't be read and is left out of the set. */
  | { readonly type: "value-skipped"; readonly service: string; readonly key: string; readonly cause: Error }
  /** The key of a service config can't be watched for now: the last config stays in use. */
  | { readonly type: "config-stale"; readonly key: string; readonly cause: Error }
  /** It can be watched again. */
  | { readonly type: "config-fresh"; readonly key: string }
  /** The watch of a service config's key had to be restarted. */
  | { readonly type: "config-watch-restarted"; readonly key: string; readonly cause: Error; readonly retryInMs: number }
  /**
   * The registry refused the user's name, password or permission; retried at long intervals. `key`: that of a service
   * config.
   */
  | {
    readonly type: "auth-refused";
    readonly service?: string;
    readonly key?: string;
    readonly cause: Error;
    readonly retryInMs: number;
  };
