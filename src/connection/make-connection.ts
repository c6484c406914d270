import type { Endpoint } from "../endpoint.ts";
import type { ConnectionHost, EndpointConnection } from "./endpoint-connection.ts";
import { makeLink } from "./make-link.ts";
import { StatefulConnection } from "./stateful-connection.ts";
import { StatelessConnection } from "./stateless-connection.ts";

/** Creates the connection to an endpoint: stateful if the connector's link has `connect`, otherwise stateless. */
export function makeConnection(endpoint: Endpoint, host: ConnectionHost): EndpointConnection {
  // A connector that breaks its contract may call these before it returns its link.
  let connection: EndpointConnection | undefined;
  const link = makeLink(host.connector, endpoint, {
    draining: () => connection?.linkEnded(undefined),
    lost: (cause) => connection?.linkEnded(cause),
    room: () => {
      if (connection !== undefined) host.room(connection);
    },
  });
  const Kind = link.connect === undefined ? StatelessConnection : StatefulConnection;
  return connection = new Kind(endpoint, link, host);
}
