// With this variable every start of Node reads a bundle of certificates, which takes longer than all else that it does.
delete process.env['NODE_EXTRA_CA_CERTS']
