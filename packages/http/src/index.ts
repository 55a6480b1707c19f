/**
 * The HTTP API as a library: inside a program's own server or on a socket, with stores, devices and sign-in of your choice.
 * What is not here is free to change.
 */

// The API as it is declared, for clients and tools; `./client` has a typed client.
export { Api } from "./api/Api.ts"
export type { Detail, Problem } from "./api/Problem.ts"

// Without Effect: a function of web requests. `createFetch` has an example.
export { createFetch, type LatchkeyFetch } from "./createFetch.ts"
export type { Caller, Fetch } from "./server/Fetch.ts"

// With Effect: on a socket, or as a function.
export { type ApiOptions, type FetchOptions, listen, makeFetch, type ServerOptions } from "./serve.ts"
export { CannotListen, type Deadlines, type SocketOptions, urlOf } from "./server/Server.ts"
export type { ConnectionLimits } from "./server/Connections.ts"
export { parseProxies, type TrustedProxies } from "./server/CallerAddress.ts"

// Who asks: API keys of organizations, users' tokens, and secrets of devices.
export { apiKeysLayer, deviceSecretsLayer, nodeSecrets } from "./auth/Secrets.ts"
export { Authenticator, type SignInError, Unauthenticated } from "./auth/Authentication.ts"
export { KeysUnavailable } from "./auth/IssuerKeys.ts"
export { Jwt, type JwtOptions, TokenRefused } from "./auth/Jwt.ts"

// The key for PINs.
export { pinKeyOf, PinSecret, PinSecretUnusable } from "./auth/PinSecret.ts"

// Webhooks, for `createLatchkey`.
export { type WebhookOptions, webhookDelivery } from "./partners/HttpDeliver.ts"

// A package for LATCHKEY_STORE.
export type { LatchkeyStore } from "./LatchkeyStore.ts"
