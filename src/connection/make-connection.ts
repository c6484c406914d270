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

type Kind = new (
  endpoint: Endpoint,
  link: Link,
  host: ConnectionHost<EndpointConnection>,
  makeLink: () => Link,
) => EndpointConnection;

function connectionOver(
  endpoint: Endpoint,
  host: ConnectionHost<EndpointConnection>,
  kindOf: (link: Link) => Kind,
): EndpointConnection {
  let connection: EndpointConnection | undefined;
  const newLink = (): Link => {
    let link: Link | undefined;
    // Undefined for what a connector that breaks its contract reports before it returns its link, and for links that
    // have been replaced.
    const owner = () => link !== undefined && connection?.link === link ? connection : undefined;
    return link = makeLink(host.connector, connection?.endpoint ?? endpoint, {
      draining: (goaway) => owner()?.linkDrains(goaway),
      lost: (cause) => owner()?.linkEnded(cause),
      room: () => {
        const of = owner();
        if (of !== undefined) host.room(of);
      },
    });
  };
  const link = newLink();
  const Kind = kindOf(link);
  return connection = new Kind(endpoint, link, host, newLink);
}
