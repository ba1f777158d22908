// Package demine is the root of the module. It holds no code: the tests beside
// this file keep the shape of the house (docs/architecture.md).
package demine
