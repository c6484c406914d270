import type { Endpoint } from "../endpoint.ts";
import type { ConnectionHost } from "./connection-host.ts";
import type { EndpointConnection } from "./endpoint-connection.ts";
import type { Link } from "./link.ts";
import { makeLink } from "./make-link.ts";
import { StatefulConnection } from "./stateful-connection.ts";
import { StatelessConnection } from "./stateless-connection.ts";

/** Creates the connection to an endpoint. */
export type MakeConnection = (endpoint: Endpoint, host: ConnectionHost<EndpointConnection>) => EndpointConnection;

/** Creates the connection to an endpoint: stateful if the connector's link has `connect`, otherwise stateless. */
export const makeConnection: MakeConnection = (endpoint, host) =>
  connectionOver(endpoint, host, (link) => link.connect === undefined ? StatelessConnection : StatefulConnection);

/** The same for connectors whose links have no states, without the code for those that have. */
export const makeStatelessConnection: MakeConnection = (endpoint, host) =>
  connectionOver(endpoint, host, () => StatelessConnection);

type Kind = new (endpoint: Endpoint, link: Link, host: ConnectionHost<EndpointConnection>) => EndpointConnection;

function connectionOver(
  endpoint: Endpoint,
  host: ConnectionHost<EndpointConnection>,
  kindOf: (link: Link) => Kind,
): EndpointConnection {
  // A connector that breaks its contract may call these before it returns its link.
  let connection: EndpointConnection | undefined;
  const link = makeLink(host.connector, endpoint, {
    draining: () => connection?.linkEnded(undefined),
    lost: (cause) => connection?.linkEnded(cause),
    room: () => {
      if (connection !== undefined) host.room(connection);
    },
  });
  const Kind = kindOf(link);
  return connection = new Kind(endpoint, link, host);
}
