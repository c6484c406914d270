/** What measures: the instrumentation scope of all metrics and spans. The version is this package's. */
export const SCOPE: { readonly name: string; readonly version: string } = { name: "connect-lb", version: "0.1.0" };
