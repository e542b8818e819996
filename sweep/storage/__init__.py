"""Files in a folder or on an object store, by the same calls.

storage             what a storage does, and its errors
patience            whether to ask a storage again, and asking again for minutes
credentials         secrets in addresses, found and left out
open_storage        the grammar of places (paths and URIs), and the storage at one
folder_storage      a folder as a storage
object_store        S3, Google Cloud Storage and Azure as a storage; the only file that imports obstore
conditional_writes  a file changed by one writer of several; a probe for stores that cannot do it
cache_folder        where this machine keeps its own copies
shared_copy         what every machine needs, published once and fetched once
weights_files       weights that have tensors in common, which lie once, read as one file
"""
