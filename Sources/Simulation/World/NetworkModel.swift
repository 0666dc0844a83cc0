internal import Routing
public import Topology

/// A topology in the form the engine works with: dense indices instead of names. Immutable, shared by all runs.
public final class NetworkModel: Sendable {
  /// The topology it was made from.
  public let topology: Topology
  /// Proxy nodes first (an index below `nodes.count` is one), then application servers.
  let elements: [Element]
  let nodes: [NodeModel]
  /// Application pools of all nodes, those of a node one behind the other.
  let pools: [PoolModel]
  let links: [LinkModel]
  /// Names of places: sites, then offices.
  let placeNames: [String]
  /// The element of the first application server; servers follow each other in declaration order.
  let firstServer: Int
  /// Servers of a site: element indices.
  let serversOfSite: [Range<Int>]
  let directorsOfSite: [[Int32]]
  let balancersOfSite: [[Int32]]
  /// Pools that have an element as a candidate.
  let users: Rows<CandidateReference>
  /// Candidates reached over a link.
  let overLink: Rows<CandidateReference>
  let services: [ServiceModel]
  let applicationCount: Int
  /// Sites whose local users an office of the topology stands for, by the office's name.
  let standIns: [String: Int32]
  private let elementByName: [String: Int32]
  private let linkByPlaces: [UInt64: Int32]

  var siteCount: Int { topology.sites.count }
  var nodeCount: Int { nodes.count }

  /// Takes a topology over, which must have passed `validate()`.
  ///
  /// - Throws: `PlanError` when a node's plan cannot be made.
  public convenience init(_ topology: Topology) throws(PlanError) { try self.init(topology, standIns: [:]) }

  /// - Parameter standIns: offices that stand at a site for its local users; the value is the site.
  init(_ topology: Topology, standIns: [String: Int32]) throws(PlanError) {
    self.topology = topology
    self.standIns = standIns
    applicationCount = topology.applications.count
    let siteCount = topology.sites.count
    placeNames = topology.sites.map(\.name) + topology.offices.map(\.name)
    var siteByName: [String: Int32] = [:]
    for (index, site) in topology.sites.enumerated() { siteByName[site.name] = Int32(index) }

    var elements: [Element] = []
    for (index, office) in topology.offices.enumerated() {
      let place = standIns[office.name] ?? Int32(siteCount + index)
      elements.append(Element(name: office.name, kind: .office, place: place, site: -1))
    }
    var directorsOfSite: [[Int32]] = []
    var balancersOfSite: [[Int32]] = []
    for (index, site) in topology.sites.enumerated() {
      directorsOfSite.append((0..<site.directors.count).map { Int32(elements.count + $0) })
      for node in site.directors {
        elements.append(Element(name: node.name, kind: .director, place: Int32(index), site: Int32(index)))
      }
      balancersOfSite.append((0..<site.balancers.count).map { Int32(elements.count + $0) })
      for node in site.balancers {
        elements.append(Element(name: node.name, kind: .balancer, place: Int32(index), site: Int32(index)))
      }
    }
    self.directorsOfSite = directorsOfSite
    self.balancersOfSite = balancersOfSite
    firstServer = elements.count
    var serversOfSite: [Range<Int>] = []
    var services: [ServiceModel] = []
    for (index, site) in topology.sites.enumerated() {
      serversOfSite.append(elements.count..<elements.count + site.servers.count)
      for server in site.servers {
        elements.append(Element(name: server.name, kind: .server, place: Int32(index), site: Int32(index)))
        services.append(ServiceModel(server.service.over(topology.service)))
      }
    }
    self.serversOfSite = serversOfSite
    self.services = services
    self.elements = elements
    var elementByName: [String: Int32] = [:]
    for (index, element) in elements.enumerated() { elementByName[element.name] = Int32(index) }
    self.elementByName = elementByName

    var builder = LinkBuilder(topology, placeByName: siteByName)
    var nodes: [NodeModel] = []
    var pools: [PoolModel] = []
    for index in 0..<firstServer {
      let plan = try topology.plan(for: elements[index].name)
      var poolOf = [Int32](repeating: -1, count: topology.applications.count)
      let first = pools.count
      for application in plan.applications {
        let id = topology.applications.firstIndex { $0.name == application.name } ?? 0
        poolOf[id] = Int32(pools.count)
        pools.append(
          PoolModel(
            application, node: Int32(index), role: plan.role, site: plan.site,
            pooledMax: plan.limits.pooledPerServerMax, id: id,
            timeScale: plan.timeScale, elements: elements, elementByName: elementByName, topology: topology,
            path: { builder.path(from: elements[index].place, to: $0) }))
      }
      nodes.append(
        NodeModel(
          plan: plan, pools: first..<pools.count, poolOf: poolOf,
          nameHash: StableHash.hash(plan.name)))
    }
    self.nodes = nodes
    self.pools = pools
    links = builder.links
    linkByPlaces = builder.index
    var byElement: [[CandidateReference]] = Array(repeating: [], count: elements.count)
    var byLink: [[CandidateReference]] = Array(repeating: [], count: builder.links.count)
    for (pool, model) in pools.enumerated() {
      for (server, candidate) in model.candidates.enumerated() {
        let reference = CandidateReference(pool: Int32(pool), server: Int32(server))
        byElement[Int(candidate.element)].append(reference)
        if candidate.path.link >= 0 { byLink[Int(candidate.path.link)].append(reference) }
      }
    }
    users = Rows(byElement)
    overLink = Rows(byLink)
  }

  /// The element of a name; nil for sites and unknown names.
  func element(named name: String) -> Int32? { elementByName[name] }

  /// What a name of a fault stands for: an element, or everything at a site.
  func elements(named name: String) -> [Int32] {
    if let one = elementByName[name] { return [one] }
    guard let site = topology.sites.firstIndex(where: { $0.name == name }) else { return [] }
    return elements.indices.filter { elements[$0].site == Int32(site) }.map { Int32($0) }
  }

  /// The place of a site's or office's name.
  func place(named name: String) -> Int32? { placeNames.firstIndex(of: name).map { Int32($0) } }

  /// The link between two places; nil: nothing of the network uses one.
  func link(between first: Int32, and second: Int32) -> Path? {
    let key = LinkBuilder.key(first, second)
    guard let link = linkByPlaces[key] else { return nil }
    return Path(link: link, isForward: links[Int(link)].from == first)
  }
}

/// A candidate of a pool.
struct CandidateReference: Sendable {
  var pool: Int32
  var server: Int32
}

/// Lists of different lengths in two flat arrays.
struct Rows<Item: Sendable>: Sendable {
  private var starts: [Int32]
  private var items: [Item]

  init(_ rows: [[Item]]) {
    starts = [0]
    starts.reserveCapacity(rows.count + 1)
    items = []
    items.reserveCapacity(rows.reduce(0) { $0 + $1.count })
    for row in rows {
      items += row
      starts.append(Int32(items.count))
    }
  }

  subscript(_ row: Int32) -> ArraySlice<Item> { items[Int(starts[Int(row)])..<Int(starts[Int(row) + 1])] }
}

/// A proxy node.
struct NodeModel: Sendable {
  var plan: NodePlan
  /// Its pools.
  var pools: Range<Int>
  /// Its pool for each application; -1: it does not serve that.
  var poolOf: [Int32]
  var nameHash: UInt64
}

/// How an application server answers.
struct ServiceModel: Sendable {
  /// Mean service time, in nanoseconds.
  var time: Int64
  /// Requests served at the same time; 0: as many as come.
  var concurrency: Int
  /// Requests that may wait at the server.
  var queue: Int

  /// An answer takes 20 ms on average, and as many requests are served at a time as come, unless the file says otherwise;
  /// where it bounds them, 1,024 may wait.
  init(_ settings: ServiceSettings) {
    time = settings.serviceTime?.nanosecondsClamped ?? 20_000_000
    concurrency = max(0, settings.concurrency ?? 0)
    queue = max(0, settings.queue ?? 1024)
  }
}
