/**
 * Names that options have in other libraries and in Node, with what to use here: one table for each kind of options.
 *
 * Each text completes the sentence "there is no option "maxPayload"; …". Tables are read when such a name is refused.
 */

/** Names that are no options here, each with what to use instead. */
export type ForeignNames = Readonly<Record<string, string>>;

const messageSize = "the limit is limits.maxMessageSize, in bytes";
const outboxSize = "the limits are limits.outboxHighWaterMark, where send returns false, and limits.maxOutboxSize";
const silence = "a silent peer is asked and given up by keepalive: { interval, timeout }, in milliseconds";
const validated = 'text is always validated, as RFC 6455 asks; text: "bytes" saves decoding it';
const subprotocols = "the option is subprotocols, a list";

/** Options of connections in other libraries, for both roles. */
const ofConnections: ForeignNames = {
  maxPayload: messageSize,
  maxPayloadLength: messageSize,
  maxReceivedMessageSize: messageSize,
  maxHttpBufferSize: messageSize,
  maxReceivedFrameSize: "a frame has no limit of its own: limits.maxMessageSize bounds the message",
  maxBackpressure: outboxSize,
  backpressureLimit: outboxSize,
  closeOnBackpressureLimit: "limits.maxOutboxSize always closes the connection",
  perMessageDeflate: "the option is compression: true, or an object of level, threshold and so on",
  permessageDeflate: "the option is compression: true, or an object of level, threshold and so on",
  skipUTF8Validation: validated,
  pingInterval: silence,
  pingTimeout: silence,
  idleTimeout: silence,
  keepaliveInterval: silence,
  heartbeatInterval: silence,
  sendPings: "the option is keepalive",
  sendPingsAutomatically: "the option is keepalive",
  autoPong: "every Ping is answered",
  allowSynchronousEvents: "messages are handed over as fast as the handlers take them",
  protocol: subprotocols,
  protocols: subprotocols,
  subprotocol: subprotocols,
  requestedProtocols: subprotocols,
};

const tlsOfServer = "options of TLS go into the tls of serve: tls: { cert, key }, the PEM texts";
const servesOnly = "it is for serve as a whole, not for a route";
const inUpgrade = "upgrade decides who is let in, and origin whose pages";
const originList = 'the option is origin: a list of origins, a function, or "any"';

const ofRoutes: ForeignNames = {
  ...ofConnections,
  handleProtocols: "the option is subprotocols, a list; upgrade may choose another by returning { subprotocol }",
  verifyClient: inUpgrade,
  authenticate: inUpgrade,
  allowRequest: inUpgrade,
  allowedHosts: "the option is hosts",
  cors: originList,
  origins: originList,
  allowedOrigins: originList,
  data: "connection.data is what upgrade returns as data",
  WebSocket: "what belongs to a connection goes into connection.data, which upgrade returns",
  clientTracking: "the set of connections is always there: connections of the server",
  noServer: servesOnly,
  backlog: servesOnly,
  hostname: servesOnly,
  cert: tlsOfServer,
  key: tlsOfServer,
  ca: tlsOfServer,
  port: servesOnly,
  host: servesOnly,
  server: servesOnly,
  tls: servesOnly,
  request: servesOnly,
  routes: servesOnly,
  listenOptions: servesOnly,
};

const routeHandler = 'handlers belong to a route: routes: { "/": { message: (connection, data) => … } }';
const listening = "it goes into listenOptions";

const ofServers: ForeignNames = {
  ...ofConnections,
  handleProtocols: "the option is subprotocols, a list; a route's upgrade may choose by returning { subprotocol }",
  verifyClient: "a route's upgrade decides who is let in, and origin whose pages",
  authenticate: "a route's upgrade decides who is let in",
  allowRequest: "a route's upgrade decides who is let in",
  allowedHosts: "the option is hosts",
  cors: originList,
  origins: originList,
  allowedOrigins: originList,
  autoAcceptConnections: originList,
  clientTracking: "the set of connections is always there: server.connections",
  noServer: "an HTTP server of yours goes into server; accept answers a single upgrade request",
  httpServer: "the option is server",
  path: 'paths are the keys of routes: routes: { "/path": … }; that of a Unix socket is listenOptions.path',
  hostname: "the option is host",
  backlog: listening,
  exclusive: listening,
  ipv6Only: listening,
  reusePort: listening,
  fd: listening,
  WebSocket: "what belongs to a connection goes into connection.data, which a route's upgrade returns",
  data: "connection.data is what a route's upgrade returns as data",
  fetch: "plain HTTP requests go to request(request, response)",
  cert: tlsOfServer,
  key: tlsOfServer,
  ca: tlsOfServer,
  pfx: tlsOfServer,
  passphrase: tlsOfServer,
  ssl: tlsOfServer,
  https: tlsOfServer,
  certFile: tlsOfServer,
  keyFile: tlsOfServer,
  on: routeHandler,
  connection: routeHandler,
  websocket: routeHandler,
  upgrade: routeHandler,
  open: routeHandler,
  message: routeHandler,
  drain: routeHandler,
  close: routeHandler,
  error: routeHandler,
  ping: routeHandler,
  pong: routeHandler,
  onopen: routeHandler,
  onmessage: routeHandler,
  onclose: routeHandler,
  onerror: routeHandler,
};

const tlsOfClient = "options of TLS go into tls, such as tls: { ca }, the PEM text";
const inUrl = "it is a part of the URL";
const ownSocket = "the socket is made by createConnection: ({ host, port }) => net.connect({ host, port, … })";
const forServers = "it is for servers";
const noReconnecting = "reconnecting(url, { reconnect }) and ReconnectingWebSocket come back by themselves";
const handshakeTime = "the option is handshakeTimeout, in milliseconds";

const ofClients: ForeignNames = {
  ...ofConnections,
  heartbeat: silence,
  on: "handlers are options: open, message, close and so on",
  agent: "the options are proxy and createConnection",
  dispatcher: "the options are proxy and createConnection",
  rejectUnauthorized: tlsOfClient,
  ca: tlsOfClient,
  cert: tlsOfClient,
  key: tlsOfClient,
  pfx: tlsOfClient,
  passphrase: tlsOfClient,
  servername: tlsOfClient,
  checkServerIdentity: tlsOfClient,
  minVersion: tlsOfClient,
  ciphers: tlsOfClient,
  maxRedirects: "the option is followRedirects: how many are followed",
  timeout: handshakeTime,
  openTimeout: handshakeTime,
  connectTimeout: handshakeTime,
  connectionTimeout: handshakeTime,
  auth: "user name and password go into the URL, or into headers as Authorization",
  cookie: "the options are headers: { Cookie } and cookieJar",
  cookies: "the options are headers: { Cookie } and cookieJar",
  extraHeaders: "the option is headers",
  url: "it is the first argument",
  host: inUrl,
  hostname: inUrl,
  port: inUrl,
  query: inUrl,
  path: "it is a part of the URL; that of a Unix socket is socketPath",
  localAddress: ownSocket,
  family: ownSocket,
  lookup: ownSocket,
  protocolVersion: "it is always 13",
  binaryType: "binary messages are handed over as Uint8Array",
  reconnect: noReconnecting,
  reconnection: noReconnecting,
  autoReconnect: noReconnecting,
  retry: noReconnecting,
  maxRetries: noReconnecting,
  verifyClient: forServers,
  handleProtocols: forServers,
  clientTracking: forServers,
  noServer: forServers,
  backlog: forServers,
};

/** The tables, by the function or the option that takes the options. */
export const foreignNames: Readonly<
  Record<"connect" | "serve" | "route" | "accept" | "send" | "limits" | "keepalive" | "compression", ForeignNames>
> = {
  connect: ofClients,
  serve: ofServers,
  route: { ...ofRoutes, path: "the path is the route's key in routes" },
  accept: { ...ofRoutes, path: "accept takes every path: request.url says which" },
  send: {
    binary: "a string goes as text, bytes go as binary: new TextEncoder().encode(text) makes bytes of one",
    fin: "sendFragments sends a message in fragments",
    mask: "a client's frames are always masked, a server's never",
    compressed: "the option is compress",
  },
  limits: {
    maxPayload: "the limit is maxMessageSize, in bytes",
    maxPayloadLength: "the limit is maxMessageSize, in bytes",
    maxReceivedMessageSize: "the limit is maxMessageSize, in bytes",
    maxBackpressure: "the limits are outboxHighWaterMark, where send returns false, and maxOutboxSize",
    backpressureLimit: "the limits are outboxHighWaterMark, where send returns false, and maxOutboxSize",
    pingInterval: "it is an option beside limits: keepalive: { interval }",
    pingTimeout: "it is an option beside limits: keepalive: { timeout }",
    idleTimeout: "it is an option beside limits: keepalive: { interval, timeout }",
    handshakeTimeout: "for connect it is an option beside limits",
  },
  keepalive: {
    pingInterval: 'the option is "interval", in milliseconds',
    pingTimeout: 'the option is "timeout", in milliseconds',
    idleTimeout: 'the options are "interval" and "timeout", in milliseconds',
  },
  compression: {
    zlibDeflateOptions: "its level and memLevel are options of their own",
    zlibInflateOptions: "there is nothing to set: limits.maxMessageSize bounds what is inflated",
    concurrencyLimit: "there is nothing to set: the work is shared out among the connections",
  },
};
