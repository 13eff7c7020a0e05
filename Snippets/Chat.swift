// Ask several questions about one image: swift run Chat MODEL IMAGE QUESTION...
//
// A session keeps the turns, and the model keeps their keys and values: each turn computes only what is new.

import Foundation
import Idefics

let arguments = CommandLine.arguments
guard arguments.count >= 4 else {
    print("usage: Chat MODEL IMAGE QUESTION...")
    exit(64)
}

let chat = ChatSession(try await Idefics.load(from: arguments[1]))
chat.config.maxNewTokens = 64
var images: [ImageSource] = [.file(URL(filePath: arguments[2]))]
for question in arguments.dropFirst(3) {
    print("> \(question)")
    print(try await chat.respond(to: question, images: images))
    images = []  // shown with the first question, seen by all
}
