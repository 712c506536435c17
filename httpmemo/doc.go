// Package httpmemo memoizes HTTP, on either side of it.
//
// A [RoundTripper] is a private cache for an http.Client: responses live as long as they
// say (RFC 9111), are validated when they are stale, and equal requests that are under
// way at the same time are one.
//
//	client.Transport = httpmemo.Transport(http.DefaultTransport)
//
// A [Handler] keeps what an http.Handler answers:
//
//	products, err := httpmemo.NewHandler(products, httpmemo.KeyHeaders("Accept-Language"))
//
// Nobody gets what was made for another: of a request nothing reaches the origin, or the
// handler, in a load but what is in the key or was declared to make no difference.
package httpmemo
