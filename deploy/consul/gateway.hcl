# The smallest Consul policy for a gateway: it reads every service, and registers itself.
#
#   consul acl policy create -name roundhouse-gateway -rules @deploy/consul/gateway.hcl
#   consul acl token create -description gateway -policy-name roundhouse-gateway

# Routes and instances. With prefixes instead of "" the gateway sees those services only.
service_prefix "" { policy = "read" }
# Consul lists an instance only to those that may read its node.
node_prefix "" { policy = "read" }
# Its own record: the option `announce`. With `announce: off` this line goes.
service "roundhouse" { policy = "write" }
