// EndpointSlices for tests.

/** What `slice()` takes: as much of an EndpointSlice as a test is about. */
export interface SliceOptions {
  readonly type?: "IPv4" | "IPv6" | "FQDN";
  readonly ports?: readonly object[] | null;
  readonly endpoints?: readonly object[] | null;
  readonly service?: string;
}

/** An EndpointSlice; an endpoint may be its address alone. */
export function slice(
  name: string,
  endpoints: readonly (string | object)[],
  { type = "IPv4", ports = [{ name: "grpc", protocol: "TCP", port: 8000 }], service = "simple" }: SliceOptions = {},
): Slice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "default", labels: { "kubernetes.io/service-name": service } },
    addressType: type,
    ports,
    endpoints: endpoints.map((given) => typeof given === "string" ? { addresses: [given], conditions: {} } : given),
  };
}

export interface Slice {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
  };
  readonly [name: string]: unknown;
}
