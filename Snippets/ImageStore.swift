// Serve images from a place of your own: swift run ImageStore MODEL IMAGE
//
// Images in prompts and conversations may be URLs. Who fetches them is up to the program: here a dictionary in memory,
// elsewhere a database or an HTTP client with rules of its own. `WebImageFetcher` is the one over HTTP.

import Foundation
import Idefics

/// Images by address, in memory.
struct ImageStore: ImageFetcher {
    let images: [String: Data]

    func fetch(_ url: URL) async throws -> Data {
        guard let data = images[url.absoluteString] else { throw URLError(.fileDoesNotExist) }
        return data
    }
}

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
    print("usage: ImageStore MODEL IMAGE")
    exit(64)
}

let address = "https://images.example/1"
let store = ImageStore(images: [address: try Data(contentsOf: URL(filePath: arguments[2]))])
let model = try await Idefics.load(from: arguments[1])
let chat = ChatSession(model, fetcher: store)
chat.config.maxNewTokens = 32
guard let url = URL(string: address) else { fatalError("no URL: \(address)") }
print(try await chat.respond(to: "What is in this image?", images: [.url(url)]))
