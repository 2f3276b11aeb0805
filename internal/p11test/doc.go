// Package p11test gives tests real PKCS#11 tokens and the means to break them:
// SoftHSM tokens in folders of their own, an opencryptoki token without
// AES-GCM, a module that fails by plan, and a tracer that lets any one change
// to the file system fail.
//
// What is missing on the machine fails the test and names the package to
// install: a test of a device that does not run must not look like one that
// passed. No function loads a PKCS#11 library into the test's own process.
package p11test
