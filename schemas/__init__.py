"""The vocabulary: types that cross a room or a wire. Imports nothing of ours."""
