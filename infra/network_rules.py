"""The parts of a NetworkPolicy: ports, peers, and the way to the names of the cluster."""

from collections.abc import Mapping

from pulumi_kubernetes.meta.v1 import LabelSelectorArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.addresses import Peer
from infra.names import namespace_label

__all__ = ["addresses", "incoming", "names", "namespace", "outgoing", "peer", "pods", "tcp"]

DNS_NAMESPACE = "kube-system"
NODE_LOCAL = "169.254.0.0/16"
"""Where a cache of names on the node itself listens, if there is one."""

Ports = list[networking.NetworkPolicyPortArgs]
PeerArgs = networking.NetworkPolicyPeerArgs


def tcp(*ports: int) -> Ports:
    return [networking.NetworkPolicyPortArgs(port=port, protocol="TCP") for port in ports]


def pods(labels: Mapping[str, str]) -> PeerArgs:
    """Of the policy's own namespace."""
    return PeerArgs(pod_selector=LabelSelectorArgs(match_labels=dict(labels)))


def namespace(name: str) -> PeerArgs:
    return PeerArgs(namespace_selector=LabelSelectorArgs(match_labels=namespace_label(name)))


def addresses(cidr: str) -> PeerArgs:
    return PeerArgs(ip_block=networking.IPBlockArgs(cidr=cidr))


def peer(given: Peer) -> PeerArgs:
    if given.namespace:
        return namespace(given.namespace)
    assert given.cidr is not None
    return addresses(given.cidr)


def incoming(ports: Ports, *peers: PeerArgs) -> networking.NetworkPolicyIngressRuleArgs:
    """Without peers: from everybody."""
    return networking.NetworkPolicyIngressRuleArgs(from_=list(peers) or None, ports=ports)


def outgoing(ports: Ports, *peers: PeerArgs) -> networking.NetworkPolicyEgressRuleArgs:
    return networking.NetworkPolicyEgressRuleArgs(to=list(peers), ports=ports)


def names() -> networking.NetworkPolicyEgressRuleArgs:
    """To the cluster's DNS and nobody else's."""
    ports = [networking.NetworkPolicyPortArgs(port=53, protocol=protocol) for protocol in ("UDP", "TCP")]
    return outgoing(ports, namespace(DNS_NAMESPACE), addresses(NODE_LOCAL))
