# The smallest Consul policy for one service: it registers its own name and no other.
#
#   sed s/api-service/NAME/ deploy/consul/service.hcl | consul acl policy create -name NAME -rules -
#   consul acl token create -description NAME -policy-name NAME

service "api-service" { policy = "write" }
# A stop asks the gateways whether they send nothing more. Without these two lines it waits `propagationMs` instead.
service "roundhouse" { policy = "read" }
node_prefix "" { policy = "read" }
