internal import COpenSSL

/// Which peers would be let in with the files in use now, asked of connections that were made before: each certificate is verified once.
public struct TrustJudge {
  private let certificates: Certificates
  private var known: [Verdict] = []

  private enum Certificates {
    case ofClients(ServerContext)
    case ofServer(ClientContext)
  }

  private struct Verdict {
    var digest: [UInt8]
    /// A server has no chain of a session that was resumed.
    var isResumed: Bool
    var isTrusted: Bool
  }

  /// Of a listener's clients.
  public init(clientsOf context: ServerContext) { certificates = .ofClients(context) }

  /// Of connections to a server.
  public init(serverOf context: ClientContext) { certificates = .ofServer(context) }

  /// Whether a handshake that shows the same certificate would be finished now. To be asked of connections whose handshake is done.
  public mutating func isTrusted(_ facts: TLSFacts) -> Bool {
    var digest = [UInt8](repeating: 0, count: 32)
    let isNamed = co_peer_digest(facts.transport, &digest) == 1
    let isResumed = facts.isResumed
    if isNamed, let verdict = known.first(where: { $0.isResumed == isResumed && $0.digest == digest }) {
      return verdict.isTrusted
    }
    let isTrusted =
      switch certificates {
      case .ofClients(let context): co_is_trusted_client(facts.transport, context.pointer) == 1
      case .ofServer(let context): co_is_trusted_server(facts.transport, context.pointer) == 1
      }
    if isNamed { known.append(Verdict(digest: digest, isResumed: isResumed, isTrusted: isTrusted)) }
    return isTrusted
  }
}
